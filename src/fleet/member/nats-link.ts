// Asks the authority over NATS. Any client with the permission to subscribe may answer first, and the server may change what
// passes: only what `accept` verifies counts, and a refusal is believed when nothing better follows it.
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { given } from '../../given.ts';
import type { PairFiles, PkiDirectory } from '../../pki/store/directory.ts';
import { readLeaves } from '../../pki/store/leaves.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { readCertificates } from '../../x509/certificate.ts';
import { makeRenewalRequest } from '../messages/renewal-request.ts';
import type { Msg, NatsConnection } from '../nats/connection.ts';
import { subjects } from '../nats/subjects.ts';
import { type AuthorityLink, AuthorityRefused, type RenewalReply, reasonIn, unreachable } from './link.ts';

export interface NatsLinkOptions {
  /** `nats://` or `tls://` URLs of one system. */
  readonly servers: readonly string[];
  readonly directory: PkiDirectory;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs?: number;
}

/** How long a better answer may follow a refusal, in milliseconds. */
const secondThoughtsMs = 500;

/** Makes a link to the authority that answers on a NATS system. */
export function natsLink({ servers, directory, timeoutMs = 10_000 }: NatsLinkOptions): AuthorityLink {
  const name = servers.map((url) => new URL(url).host).join(', ');
  const ask = async <T>(question: Omit<Question<T>, 'connection' | 'name'>, preferred?: string) => {
    question.signal.throwIfAborted();
    const { connectNats } = await import('../nats/connection.ts');
    const pair = await clientPair(directory, preferred);
    const facts = { servers, directory, name: 'natspki renew', ...given({ pair }) };
    const connection = await connectNats(facts).catch((error: Error) => {
      throw unreachable(name, error.message, error);
    });
    const onAbort = () => void connection.close();
    question.signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await firstAccepted({ ...question, connection, name });
    } finally {
      question.signal.removeEventListener('abort', onAbort);
      await connection.close();
    }
  };
  return {
    name,
    async renew({ current, request, roots, now }, accept, signal) {
      const parts = { signer: current, request, audience: roots[0].pin, now };
      const data = await makeRenewalRequest(parts);
      const judge = (answer: Msg) => accept(replyOf(answer));
      return ask({ subject: subjects.renew, data, accept: judge, signal, timeoutMs }, current.files.name);
    },
    async statement(_roots, accept, signal) {
      const judge = (answer: Msg) => accept(answer.string());
      return ask({ subject: subjects.trust, data: '', accept: judge, signal, timeoutMs });
    },
  };
}

interface Question<T> {
  readonly connection: NatsConnection;
  readonly name: string;
  readonly subject: string;
  readonly data: string;
  readonly accept: (answer: Msg) => Promise<T>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** Returns what the first answer that passes was accepted as; throws what was wrong with the first that did not. */
async function firstAccepted<T>(question: Question<T>): Promise<T> {
  const { name, subject, accept, signal, timeoutMs } = question;
  let refused: NatspkiError | undefined;
  let giveUp = () => {};
  const end = new Promise<undefined>((resolve) => {
    giveUp = () => resolve(undefined);
  });
  let timer = setTimeout(giveUp, timeoutMs);
  try {
    const answers = await answersTo(question);
    for (;;) {
      const next = await Promise.race([answers.next(), end]);
      if (next === undefined || next.done) break;
      try {
        return await accept(refuseRefusal(next.value, name));
      } catch (error) {
        if (!(error instanceof NatspkiError)) throw error;
        if (refused !== undefined) continue;
        refused = error;
        clearTimeout(timer);
        timer = setTimeout(giveUp, secondThoughtsMs);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NatspkiError) throw error;
    throw refused ?? unreachable(name, whyNoAnswer(error as Error), error);
  } finally {
    clearTimeout(timer);
  }
  signal.throwIfAborted();
  throw refused ?? unreachable(name, `no answer on ${subject} in ${timeoutMs / 1000} seconds`);
}

async function answersTo({ connection, subject, data, timeoutMs }: Question<unknown>) {
  const answers = await connection.requestMany(subject, data, { maxWait: timeoutMs });
  return answers[Symbol.asyncIterator]();
}

/** Throws for an answer that is an error of the service (NATS ADR-32). */
function refuseRefusal(answer: Msg, name: string): Msg {
  const status = answer.headers?.get('Nats-Service-Error-Code') ?? '';
  if (status === '') return answer;
  const reason = reasonIn(answer.headers?.get('Nats-Service-Error') ?? '');
  if (status === '429' || status === '503') throw unreachable(name, reason);
  throw new AuthorityRefused(name, reason, codeIn(answer));
}

function codeIn(answer: Msg): string | undefined {
  try {
    const { code } = answer.json() as { code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}

function replyOf(answer: Msg): RenewalReply {
  try {
    const { chain, trust } = answer.json() as { chain?: unknown; trust?: unknown };
    const certificates = readCertificates(Buffer.from(String(chain)), 'the answer');
    return { certificates, statement: String(trust) };
  } catch (error) {
    if (error instanceof NatspkiError) throw error;
    throw new NatspkiError('untrusted-answer', 'the answer is not one of an authority');
  }
}

function whyNoAnswer({ message }: Error): string {
  return message.startsWith('no responders')
    ? 'no `natspki serve` is connected to this NATS system'
    : message;
}

/** Finds the pair to connect with: the preferred one, or any other that is for clients; servers' own pairs are not. */
async function clientPair(directory: PkiDirectory, preferred = ''): Promise<PairFiles | undefined> {
  const { chains } = await readLeaves(directory);
  const isFit = ([name, [leaf]]: [string, readonly [Certificate, ...Certificate[]]]) =>
    leaf.extendedKeyUsage?.includes('clientAuth') !== false && exists(directory.keyFile(name));
  const names = [...chains].filter(isFit).map(([name]) => name);
  const name = names.find((each) => each === preferred) ?? names[0];
  return name === undefined ? undefined : directory.pair(name);
}
