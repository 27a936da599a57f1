// A process of the load generator: it takes the role that the benchmark assigns and answers its calls.
import { Attackers } from './attackers.ts';
import { Crowd } from './crowd.ts';
import { Honest } from './honest.ts';
import { Newcomers } from './newcomers.ts';
import { Publisher } from './publisher.ts';
import { Requester, Responder } from './requests.ts';
import { Silent } from './silent.ts';
import { Subscriber } from './subscriber.ts';

const roles = { Attackers, Crowd, Honest, Newcomers, Publisher, Requester, Responder, Silent, Subscriber };

export type Roles = typeof roles;

export type Question =
  | { readonly open: keyof Roles; readonly setup: unknown }
  | { readonly ask: string; readonly parameters: readonly unknown[] };

export type Answer = { readonly result: unknown } | { readonly failure: string };

type Opener = { open(setup: unknown): Promise<object> };
type Methods = Record<string, (...parameters: unknown[]) => unknown>;

let player: object | undefined;

process.on('message', async (question: Question) => {
  if ('open' in question) {
    player = await (roles[question.open] as Opener).open(question.setup);
    answer({ result: undefined });
    return;
  }
  answer({ result: await (player as Methods)[question.ask]?.(...question.parameters) });
});
process.on('disconnect', () => process.exit());
process.on('uncaughtException', ({ message }) => {
  process.send?.({ failure: message } satisfies Answer, () => process.exit(1));
});

function answer(message: Answer): void {
  process.send?.(message);
}
