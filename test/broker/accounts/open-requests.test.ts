// Open requests to services: their reply subjects, how long they wait for answers, and how many there may be.
import { describe, expect, it } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { OpenResponses } from '../../../src/broker/accounts/open-requests.ts';

const way = {
  target: new Account('B'),
  to: Buffer.from('in'),
  export: 'A q',
  responseType: 'stream' as const,
  thresholdMs: 1000,
};

describe('open responses', () => {
  it('have distinct random reply subjects with the prefix of the account', () => {
    const responses = new OpenResponses(() => 0);
    const subjects = Array.from({ length: 100 }, () => responses.open(way));
    expect(responses.prefix).toMatch(/^_R_\.\w{6}\.$/);
    for (const subject of subjects) expect(subject).toMatch(new RegExp(`^${responses.prefix}\\w{6}$`));
    expect(new Set(subjects).size).toBe(100);
    expect(new OpenResponses(() => 0).prefix).not.toBe(responses.prefix);
  });

  it('draw another reply subject if the first one is in use', () => {
    const drawn = ['prefix', 'one', 'one', 'one', 'two'];
    const responses = new OpenResponses(
      () => 0,
      () => drawn.shift() ?? '',
    );
    expect([responses.open(way), responses.open(way)]).toEqual(['_R_.prefix.one', '_R_.prefix.two']);
    expect(responses.size).toBe(2);
    responses.close();
  });

  it('are found until they expire, and each answer restarts the time limit', () => {
    let now = 0;
    const responses = new OpenResponses(() => now);
    const subject = responses.open(way);
    now = 1000;
    expect(responses.find(subject)).toBe(way);
    responses.extend(subject);
    now = 2000;
    expect(responses.find(subject)).toBe(way);
    now = 2001;
    expect(responses.find(subject)).toBeUndefined();
    expect(responses.find('_R_.x.y')).toBeUndefined();
  });

  it('are not found or extended after their end', () => {
    const responses = new OpenResponses(() => 0);
    const [one, other] = [responses.open(way), responses.open(way)];
    responses.end(one);
    expect(responses.find(one)).toBeUndefined();
    expect(responses.find(other)).toBe(way);
    responses.extend(one);
    expect(responses.size).toBe(1);
    responses.close();
    expect(responses.size).toBe(0);
  });

  it('evict the oldest when there are more than 65,536', () => {
    const responses = new OpenResponses(() => 0);
    const first = responses.open(way);
    const second = responses.open(way);
    responses.extend(first);
    for (let count = 2; count <= 65_536; count++) responses.open(way);
    expect(responses.size).toBe(65_536);
    expect(responses.find(second)).toBeUndefined();
    expect(responses.find(first)).toBe(way);
    responses.close();
  });
});
