// Open requests to services: their reply subjects, how long they wait for answers, and how many there may be.
import { describe, expect, it } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { OpenRequests } from '../../../src/broker/accounts/open-requests.ts';

const request = {
  account: new Account('B'),
  replyTo: Buffer.from('in'),
  export: 'A q',
  responseType: 'stream' as const,
  thresholdMs: 1000,
};

describe('open requests', () => {
  it('have distinct random reply subjects with the prefix of the account', () => {
    const requests = new OpenRequests(() => 0);
    const subjects = Array.from({ length: 100 }, () => requests.open(request));
    expect(requests.prefix).toMatch(/^_R_\.\w{6}\.$/);
    for (const subject of subjects) expect(subject).toMatch(new RegExp(`^${requests.prefix}\\w{6}$`));
    expect(new Set(subjects).size).toBe(100);
    expect(new OpenRequests(() => 0).prefix).not.toBe(requests.prefix);
  });

  it('draw another reply subject if the first one is in use', () => {
    const drawn = ['prefix', 'one', 'one', 'one', 'two'];
    const requests = new OpenRequests(
      () => 0,
      () => drawn.shift() ?? '',
    );
    expect([requests.open(request), requests.open(request)]).toEqual(['_R_.prefix.one', '_R_.prefix.two']);
    expect(requests.size).toBe(2);
    requests.close();
  });

  it('are found until they expire, and each answer restarts the time limit', () => {
    let now = 0;
    const requests = new OpenRequests(() => now);
    const subject = requests.open(request);
    now = 1000;
    expect(requests.find(subject)).toBe(request);
    requests.extend(subject);
    now = 2000;
    expect(requests.find(subject)).toBe(request);
    now = 2001;
    expect(requests.find(subject)).toBeUndefined();
    expect(requests.find('_R_.x.y')).toBeUndefined();
  });

  it('are not found or extended after their end', () => {
    const requests = new OpenRequests(() => 0);
    const [one, other] = [requests.open(request), requests.open(request)];
    requests.end(one);
    expect(requests.find(one)).toBeUndefined();
    expect(requests.find(other)).toBe(request);
    requests.extend(one);
    expect(requests.size).toBe(1);
    requests.close();
    expect(requests.size).toBe(0);
  });

  it('evict the oldest when there are more than 65,536', () => {
    const requests = new OpenRequests(() => 0);
    const first = requests.open(request);
    const second = requests.open(request);
    requests.extend(first);
    for (let count = 2; count <= 65_536; count++) requests.open(request);
    expect(requests.size).toBe(65_536);
    expect(requests.find(second)).toBeUndefined();
    expect(requests.find(first)).toBe(request);
    requests.close();
  });
});
