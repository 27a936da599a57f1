// The check of hashed passwords: off the event loop, with a fair queue, and only once for a correct password.
import bcrypt from 'bcryptjs';
import { afterAll, describe, expect, it } from 'vitest';
import { PasswordHashes } from '../../../src/broker/auth/password-hashes.ts';

const hash = bcrypt.hashSync('right', 4);
const hashes = new PasswordHashes((error) => {
  throw error;
});
afterAll(() => hashes.close());

const from = (address: string, isGone = () => false) => ({ address, isGone });

describe('password hashes', () => {
  it('match the right password, and remember it', async () => {
    expect(hashes.knows(hash, 'right')).toBe(false);
    expect(await hashes.check(hash, 'wrong', from('a'))).toBe(false);
    expect(await hashes.check(hash, 'right', from('a'))).toBe(true);
    expect(hashes.knows(hash, 'right')).toBe(true);
    expect(hashes.knows(hash, 'wrong')).toBe(false);
    expect(hashes.knows(bcrypt.hashSync('right', 4), 'right')).toBe(false);
  });

  it('are checked round-robin by address, so that guesses from one address do not delay another', async () => {
    const order: string[] = [];
    const ask = (address: string, password: string) =>
      hashes.check(hash, password, from(address)).then(() => order.push(address));
    const guesses = Array.from({ length: 40 }, (_, index) => ask('attacker', `guess ${index}`));
    await Promise.all([...guesses, ask('honest', 'mine')]);
    expect(order.indexOf('honest')).toBeLessThan(10);
    expect(order).toHaveLength(41);
  });

  it("are checked round-robin by user, so that guesses at one user's password do not delay another", async () => {
    const order: string[] = [];
    const ask = (of: string, password: string) =>
      hashes.check(of, password, from('same')).then(() => order.push(of));
    const other = bcrypt.hashSync('mine', 4);
    const guesses = Array.from({ length: 40 }, (_, index) => ask(hash, `other guess ${index}`));
    await Promise.all([...guesses, ask(other, 'mine')]);
    expect(order.indexOf(other)).toBeLessThan(10);
  });

  it('are not checked for a client that has disconnected', async () => {
    const slow = bcrypt.hashSync('right', 4).replace('$04$', '$20$');
    const before = performance.now();
    const asked = Array.from({ length: 200 }, () =>
      hashes.check(
        slow,
        'x',
        from('gone', () => true),
      ),
    );
    expect(await Promise.all(asked)).toEqual(Array(200).fill(false));
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('match no password if they are malformed', async () => {
    for (const broken of ['$2b$04$', '$2b$99$', `$2b$03$${hash.slice(7)}`]) {
      expect(await hashes.check(broken, 'right', from('a'))).toBe(false);
    }
  });

  it('are checked without blocking the event loop', async () => {
    const cost12 = hash.replace('$04$', '$12$');
    await hashes.check(hash, 'start a worker', from('a'));
    const before = performance.eventLoopUtilization();
    await hashes.check(cost12, 'x', from('a'));
    // Some 240 ms of work, during which this thread waits.
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });

  it('match nothing in queued checks when they are closed', async () => {
    const closing = new PasswordHashes(() => undefined);
    const asked = Array.from({ length: 5 }, (_, index) =>
      closing.check(hash.replace('$04$', '$20$'), `${index}`, from('a')),
    );
    await closing.close();
    expect(await Promise.all(asked)).toEqual(Array(5).fill(false));
  });
});
