// Runs the benchmark: measures natspki and its alternatives in one run and writes the report.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, platform, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../harness/process.ts';
import { findPeer, missing, type PeerName } from '../support/peers.ts';
import { type BenchOptions, isSelected, isWhole, parseArguments, type SideName, usage } from './arguments.ts';
import { cells } from './cells/all.ts';
import type { Cell, Measurement } from './cells/cell.ts';
import { type CommandCell, commandCells, time } from './cells/commands.ts';
import { LoadGenerator } from './load/generator.ts';
import { renderPage } from './page.ts';
import { drawPlots } from './plots.ts';
import { type CellResult, type CommandResult, type Report, renderReport } from './report.ts';
import { BenchServer, bundledBroker, makeCertificates, type Setting, type Side } from './server.ts';
import { contestantNames, type Figures, type StartsResult } from './starts/figures.ts';

// With it every Node process takes three times as long to start.
delete process.env.NODE_EXTRA_CA_CERTS;

const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), 'natspki-bench-'));
// What could not be measured, by reason.
const missingParts = new Map<string, Set<string>>();
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  if (platform() !== 'linux')
    reportMissing('CPU time and memory', 'they are read from /proc, which only Linux has');
  const report: Report = {
    at: new Date().toISOString(),
    machine: machine(),
    versions: await versions(),
    options: { rounds: options.rounds, seconds: options.seconds, permissions: options.permissions },
    cells: await measureCells(),
    commands: await measureCommands(),
    starts: await measureStarts(),
    missing: [...missingParts].map(([why, what]) => `${[...what].join(', ')}: ${why}`),
  };
  mkdirSync(options.out, { recursive: true });
  const markdown = `${renderReport(report)}\n`;
  writeFileSync(join(options.out, 'bench.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(join(options.out, 'bench.md'), markdown);
  process.stdout.write(markdown);
  if (isWhole(options)) writePage(report);
}

/** Writes the performance page of the documentation and its plots. */
function writePage(report: Report): void {
  const plots = drawPlots(report);
  const folder = 'performance';
  mkdirSync(join(options.docs, folder), { recursive: true });
  for (const { file, svg } of plots) writeFileSync(join(options.docs, folder, file), svg);
  writeFileSync(join(options.docs, 'performance.md'), `${renderPage(report, plots, folder)}\n`);
  progress(`wrote ${join(options.docs, 'performance.md')}`);
}

async function measureCells(): Promise<CellResult[]> {
  const selected = cells.filter(({ name }) => isSelected(name, options.cells));
  if (selected.length === 0) return [];
  const sides = options.sides.map(findSide).filter((side) => side !== undefined);
  const certificates = makeCertificates(folder);
  const results: CellResult[] = [];
  for (const cell of selected) {
    for (const transport of cell.transports.filter((name) => options.transports.includes(name))) {
      const { permissions } = options;
      const { isCluster = false, defaultTimeout = false } = cell;
      const setting = { certificates, transport, permissions, isCluster, defaultTimeout };
      results.push(await measureCell(cell, sides, setting));
    }
  }
  return results;
}

async function measureCell(cell: Cell, sides: readonly Side[], setting: Setting): Promise<CellResult> {
  const { transport } = setting;
  const results = sides.map((side) => ({ side, runs: [] as Measurement[] }));
  const failed = new Set<Side>();
  const rounds = cell.once ? 1 : options.rounds;
  for (let round = 0; round < rounds; round++) {
    for (const { side, runs } of results.filter((result) => !failed.has(result.side))) {
      const what = `${cell.name} (${transport}) of ${side.label}`;
      progress(`${what}, ${round + 1} of ${rounds}`);
      try {
        runs.push(await measureOnce(cell, side, setting, round === 0));
      } catch (error) {
        failed.add(side);
        reportMissing(what, (error as Error).message);
      }
    }
  }
  const sideResults = results.map(({ side, runs }) => ({ label: side.label, runs }));
  const says = cell.once ? `${cell.says}; once` : cell.says;
  return { cell: cell.name, says, table: cell.table, transport, sides: sideResults };
}

async function measureOnce(
  cell: Cell,
  side: Side,
  setting: Setting,
  verifies: boolean,
): Promise<Measurement> {
  const server = await BenchServer.start(side, setting);
  const generator = new LoadGenerator();
  try {
    return await cell.measure({ server, generator, seconds: options.seconds, verifies });
  } finally {
    await generator.stop();
    await server.stop();
  }
}

async function measureCommands(): Promise<CommandResult[]> {
  const results: CommandResult[] = [];
  for (const cell of commandCells) {
    if (isSelected(cell.name, options.cells)) results.push(await measureCommandCell(cell));
  }
  return results;
}

async function measureCommandCell({
  name,
  says,
  repeat,
  once,
  contestants,
}: CommandCell): Promise<CommandResult> {
  const results = contestants.map((contestant) => ({ name: contestant.name, runs: [] as number[] }));
  const rounds = repeat * (once ? 1 : options.rounds);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      progress(`${name} ${contestant.name} ${round + 1}/${rounds}`);
      try {
        results[index]?.runs.push(await time(contestant));
      } catch (error) {
        reportMissing(`${name} of ${contestant.name}`, (error as Error).message);
      }
    }
  }
  return { cell: name, says: once ? `${says}; once` : says, contestants: results };
}

/** Measures how servers start in tests; each measurement is a process, and the contestants alternate. */
async function measureStarts(): Promise<StartsResult | undefined> {
  if (!isSelected('starts', options.cells)) return undefined;
  const natsServer = findPeer('nats-server');
  if (natsServer === undefined) {
    reportMissing('starts', missing('nats-server'));
    return undefined;
  }
  const certs = join(folder, 'starts/certs');
  const init = ['init', '--yes', '--host', 'localhost', '127.0.0.1', '--client', 'alice', '--dir', certs];
  await run([process.execPath, resolve('bin/run.js'), ...init], { folder });
  const worker = fileURLToPath(new URL('./starts/worker.js', import.meta.url));
  const count = 50;
  const contestants = contestantNames.map((name) => ({ name, runs: [] as Figures[] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, runs } of contestants) {
      progress(`starts ${name} ${round + 1}/${options.rounds}`);
      const argv = [process.execPath, worker, name, join(folder, 'starts'), String(count)];
      const { code, stdout, stderr } = await run(argv, { environment: { NATS_SERVER_BIN: natsServer } });
      if (code === 0) runs.push(JSON.parse(stdout));
      else reportMissing(`starts of ${name}`, stderr);
    }
  }
  return { count, contestants };
}

function findSide(name: SideName, index: number): Side | undefined {
  const label = options.sides[0] === name && index === 1 ? `${name} again` : name;
  if (name === 'natspki') {
    const profile = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(options.out)}`] : [];
    return { label, command: bundledBroker(profile), needsSignal: false };
  }
  const bin = findPeer(name);
  if (bin === undefined) {
    reportMissing(name, missing(name));
    return undefined;
  }
  return { label, command: [bin], needsSignal: true };
}

async function versions(): Promise<Record<string, string>> {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const found: Record<string, string> = { natspki: version, node: process.version };
  const peers: [PeerName, string][] = [
    ['nats-server', '--version'],
    ['nats', '--version'],
    ['openssl', 'version'],
    ['mkcert', '--version'],
  ];
  for (const [peer, question] of peers) {
    const bin = findPeer(peer);
    if (bin === undefined) continue;
    const { stdout } = await run([bin, question]);
    found[peer] = /v?\d+\.\d+\S*/.exec(stdout)?.[0] ?? 'unknown version';
  }
  return found;
}

function machine(): string {
  const processors = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const model = processors[0]?.model ?? 'unknown';
  // On a machine with other load only CPU times are comparable.
  const load = loadavg()[0]?.toFixed(1);
  return `${processors.length} x ${model}, ${gigabytes} GB, ${platform()} ${release()}, load average ${load} at the start`;
}

function readOptions(): BenchOptions {
  let read: BenchOptions;
  try {
    read = parseArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    process.exit(2);
  }
  if (read.help || read.list) {
    const starts = { name: 'starts', says: 'servers that tests start' };
    const all = [...cells, ...commandCells, starts];
    const names = all.map(({ name, says }) => `${name.padEnd(20)} ${says}\n`);
    process.stdout.write(read.help ? usage : names.join(''));
    process.exit();
  }
  return read;
}

// Records what could not be measured. A server that fails to start prints a long log; its error line is enough
// here.
function reportMissing(what: string, why: string): void {
  const line = /\w*Errors?: .*/.exec(why)?.[0] ?? why.split('\n', 2).join(' ');
  missingParts.set(line, (missingParts.get(line) ?? new Set()).add(what));
  progress(`not measured: ${what}: ${line}`);
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
