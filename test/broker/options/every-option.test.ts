// Every top-level option of nats-server with a value that nats-server starts with: what the broker makes of it.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBrokerOptions } from '../../../src/broker/options/options.ts';
import type { ConfProblem } from '../../../src/conf/error.ts';
import { parseConf } from '../../../src/conf/parser.ts';
import { run } from '../../harness/process.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';

/** Options that the broker has, or that are no less off in it than in nats-server. */
const taken = `
listen: "127.0.0.1:4222"; client_advertise: "a:1"; port: 4222; server_name: a; host: "127.0.0.1"; net: "127.0.0.1"; debug: true
trace: true; trace_verbose: true; trace_headers: true; logtime: true; logtime_utc: true; disable_sublist_cache: true
no_sublist_cache: true; accounts {}; authorization {}; http: 8222; https_port: 0; http_port: 8222; monitor_port: 8222
http_base_path: "/a"; cluster { port: 6222 }; log_file: "a.log"; logfile: "a.log"; pid_file: "a.pid"; pidfile: "a.pid"
ports_file_dir: "."; max_control_line: 4096; max_payload: 1024; max_pending: 2097152; max_connections: 5; max_conn: 5
max_traced_msg_len: 5; max_subscriptions: 5; max_subs: 5; max_sub_tokens: 5; max_subscription_tokens: 5; ping_interval: "1m"
ping_max: 2; allow_non_tls: false; write_deadline: "1s"; write_timeout: close; lame_duck_duration: "60s"
lame_duck_grace_period: "5s"; no_system_account: true; no_system: true; no_sys_acc: true; no_header_support: true
connect_error_reports: 5; reconnect_error_reports: 5; server_tags: [a]; server_metadata { a: b }; no_fast_producer_stall: true
max_closed_clients: 5; jetstream: false; jetstream: disabled; jetstream { enabled: false }; mappings {}; maps {}; gateway {}
leafnodes {}; leaf {}; websocket {}; ws {}; websocket { port: 8080, no_tls: true }; mqtt {}; proxies {}; proxy_protocol: false; ocsp: false
ocsp_cache: false; syslog: false; prof_port: 0; operator: []; trusted_keys: []; resolver_preload {}; resolver_tls {}
`;

/** Options without an effect because of what is absent, in the broker and in nats-server. */
const idle = `
store_dir: "a"; storedir: "a"; default_js_domain { "$G": b }; feature_flags { a: true }; resolver: MEMORY
account_resolver: MEMORY; accounts_resolver: MEM; resolver_pinned_accounts: [A]; prof_block_rate: 5
logfile_max_num: 3; log_max_num: 3; logfile_size_limit: 1024; log_size_limit: 1024; ocsp: true; ocsp_cache: true
`;

/** Options that have an effect only in nats-server. */
const refused = `
jetstream: true; jetstream { max_mem: 1024 }; leafnodes { port: 7422 }; gateway { name: a, port: 7222 }
mappings { a: b }; proxies { trusted: [ { key: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }
proxy_protocol: true; syslog: true; remote_syslog: "udp://127.0.0.1:514"; prof_port: 6060
`;

const each = (list: string) =>
  list
    .split(/[;\n]/)
    .map((text) => text.trim())
    .filter((text) => text !== '');

function read(text: string, ignoreUnsupported = false): string[] {
  const problems: ConfProblem[] = [];
  readBrokerOptions(parseConf(text, { file: 'nats.conf' }), problems, { ignoreUnsupported });
  return problems.map(({ severity, code }) => code ?? severity);
}

describe('an option of nats-server', () => {
  it.each(each(taken))('is taken: %s', (text) => {
    expect(read(text)).not.toContain('error');
    expect(read(text)).not.toContain('unsupported');
  });

  it.each(each(idle))('is taken with one warning, since it has no effect: %s', (text) => {
    expect(read(text)).toEqual([expect.stringMatching(/^(no-effect|unsupported)$/)]);
  });

  it.each(each(refused))('is rejected, and with one warning on request: %s', (text) => {
    expect(read(text)).toContain('error');
    expect(read(text, true)).toEqual(['unsupported']);
  });
});

describePeer('nats-server', 'nats-server', (bin) => {
  const scratch = testFolder('every-option');

  it.each([...each(taken), ...each(idle), ...each(refused)])('starts with %s', async (text) => {
    const folder = mkdtempSync(join(scratch, 'x-'));
    writeFileSync(join(folder, 'nats.conf'), `${text}\n`);
    expect(await run([bin, '-t', '-c', 'nats.conf'], { folder })).toMatchObject({ code: 0 });
  });
});
