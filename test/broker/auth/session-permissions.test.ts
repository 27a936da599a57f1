// Answers to requests: how many are allowed, for how long, and how many open requests a session remembers.
import { describe, expect, it } from 'vitest';
import { SessionPermissions } from '../../../src/broker/auth/session-permissions.ts';
import { noPublication, type Publication } from '../../../src/protocol/operations.ts';
import { Permissions, type ResponseLimits } from '../../../src/subjects/permissions.ts';

function publication(subject: string, reply = ''): Publication {
  const buffer = Buffer.from(`${subject} ${reply}`);
  const replyStart = subject.length + 1;
  const at = { subjectStart: 0, subjectEnd: subject.length, replyStart, replyEnd: replyStart + reply.length };
  return { ...noPublication(), buffer, ...at };
}

class Responder {
  clock = 0;
  readonly #permissions: SessionPermissions;

  constructor(responses: ResponseLimits | undefined, allowed: readonly string[] = []) {
    const allow = allowed.map((subject) => ({ subject, queue: undefined }));
    const rules = {
      publish: { allow, deny: [] },
      subscribe: { allow: undefined, deny: [] },
      responses,
    };
    this.#permissions = new SessionPermissions(new Permissions(rules), () => this.clock);
  }

  asked(reply?: string): void {
    this.#permissions.received(publication('question', reply));
  }

  answers(reply: string): boolean {
    const answer = publication(reply);
    return this.#permissions.mayPublish(answer) || this.#permissions.mayRespond(answer);
  }
}

describe('SessionPermissions', () => {
  it('allows as many answers to a request as the limit', () => {
    const responder = new Responder({ max: 2, expiresMs: 1000 });
    responder.asked('a');
    responder.asked('b');
    const answered = ['a', 'a', 'a', 'b', 'c', ''].map((reply) => responder.answers(reply));
    expect(answered).toEqual([true, true, false, true, false, false]);
    responder.asked('a');
    expect([responder.answers('a'), responder.answers('b'), responder.answers('b')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('allows no answer that would be a request to JetStream', () => {
    const responder = new Responder({ max: 2, expiresMs: 1000 });
    const replies = ['$JS.API.INFO', '$JS.hub.API.INFO', '$JS.FC.x', '$JS', 'API'];
    for (const reply of replies) responder.asked(reply);
    expect(replies.map((reply) => responder.answers(reply))).toEqual([false, false, true, true, true]);
  });

  it('allows answers to a request until it expires', () => {
    const responder = new Responder({ max: 9, expiresMs: 1000 });
    responder.asked('a');
    responder.clock = 1000;
    expect(responder.answers('a')).toBe(true);
    responder.clock = 1001;
    expect(responder.answers('a')).toBe(false);
    responder.clock = 0;
    expect(responder.answers('a')).toBe(false);
  });

  it('counts the time from the first request with a reply subject, and anew after that has expired', () => {
    const responder = new Responder({ max: 9, expiresMs: 1000 });
    responder.asked('a');
    responder.clock = 900;
    responder.asked('a');
    responder.clock = 1800;
    expect(responder.answers('a')).toBe(false);
    responder.asked('a');
    responder.clock = 2800;
    expect(responder.answers('a')).toBe(true);
    responder.clock = 2801;
    responder.asked('a');
    expect(responder.answers('a')).toBe(true);
  });

  it('does not count answers to a reply subject that the user may publish to anyway', () => {
    const responder = new Responder({ max: 1, expiresMs: 1000 }, ['own.*']);
    for (let index = 0; index < 3; index++) responder.asked('own.reply');
    expect([1, 2, 3].map(() => responder.answers('own.reply'))).toEqual([true, true, true]);
  });

  it('never expires with unlimited answers and time', () => {
    const responder = new Responder({ max: Number.POSITIVE_INFINITY, expiresMs: Number.POSITIVE_INFINITY });
    responder.asked('a');
    responder.clock = 1e12;
    expect([1, 2, 3].map(() => responder.answers('a'))).toEqual([true, true, true]);
  });

  it('allows no answer if the permissions do not include responses', () => {
    const responder = new Responder(undefined);
    responder.asked('a');
    expect(responder.answers('a')).toBe(false);
  });

  it('evicts the oldest of more than 65,536 open requests', () => {
    const responder = new Responder({ max: 1, expiresMs: 1000 });
    for (let index = 0; index <= 65_536; index++) responder.asked(`r.${index}`);
    expect(['r.0', 'r.1', 'r.65536'].map((reply) => responder.answers(reply))).toEqual([false, true, true]);
  });
});
