// Reading OCSP answers: those of `openssl ocsp`, and those of a responder that lies.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Certificate, readCertificates } from '../../src/x509/certificate.ts';
import { encodeOcspRequest, readOcspAnswer } from '../../src/x509/ocsp-answer.ts';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';
import { type Behaviour, OcspResponder } from '../support/ocsp-responder.ts';

const folder = testFolder('ocsp-answer');
const at = (name: string) => join(folder, name);
const certificateOf = ({ cert }: Pair) => readCertificates(readFileSync(cert), cert)[0];
const ca = makeAuthority(folder);
const leaf = makeLeaf(folder, 'leaf', ca, { usage: 'clientAuth', ocsp: 'http://127.0.0.1:1/ocsp' });
const delegate = makeLeaf(folder, 'delegate', ca, { usage: 'OCSPSigning' });
const subject = { serial: certificateOf(leaf).serial, issuer: certificateOf(ca) };
const pairs = { ca, delegate, stranger: makeAuthority(folder, 'stranger'), wrongDelegate: leaf };

it('reads the address of the responder from the certificate', () => {
  expect(certificateOf(leaf).addresses.ocsp).toEqual(['http://127.0.0.1:1/ocsp']);
  expect(certificateOf(ca).addresses.ocsp).toEqual([]);
});

it('encodes the same request as openssl', () => {
  openssl('ocsp', '-issuer', ca.cert, '-cert', leaf.cert, '-no_nonce', '-reqout', at('request.der'));
  expect(encodeOcspRequest(subject).toString('hex')).toBe(readFileSync(at('request.der')).toString('hex'));
});

describe('an answer of openssl', () => {
  /** @param state `V` for valid, `R` for revoked, undefined for unknown */
  function answerOf(state: 'V' | 'R' | undefined, signer = ca): Buffer {
    const { serial } = subject;
    const times = state === 'R' ? '401231235959Z\t260101000000Z,keyCompromise' : '401231235959Z\t';
    const line = `${state}\t${times}\t${serial.toUpperCase()}\tunknown\t/CN=leaf\n`;
    writeFileSync(at('index'), state === undefined ? '' : line);
    writeFileSync(at('request.der'), encodeOcspRequest(subject));
    execFileSync(
      'openssl',
      [
        ...['ocsp', '-index', at('index'), '-CA', ca.cert, '-rsigner', signer.cert, '-rkey', signer.key],
        ...['-reqin', at('request.der'), '-respout', at('answer.der'), '-nmin', '5'],
      ],
      { stdio: 'pipe' },
    );
    return readFileSync(at('answer.der'));
  }

  it.each([
    ['good', 'V'],
    ['revoked', 'R'],
    ['unknown', undefined],
  ] as const)('says %s', (status, state) => {
    const answer = readOcspAnswer(answerOf(state), subject, new Date());
    expect(answer).toMatchObject({ status, thisUpdate: expect.any(Date), nextUpdate: expect.any(Date) });
    expect((answer.nextUpdate as Date).getTime() - answer.thisUpdate.getTime()).toBe(300_000);
  });

  it('may be signed by a delegate, while its certificate is valid', () => {
    const answer = answerOf('V', delegate);
    expect(readOcspAnswer(answer, subject, new Date()).status).toBe('good');
    const later = new Date(Date.now() + 40 * 86_400_000);
    expect(() => readOcspAnswer(answer, subject, later)).toThrow(
      /"delegate", which is not valid at this time/,
    );
  });

  it('is rejected with any byte changed', () => {
    const answer = answerOf('V');
    for (let at = 0; at < answer.length; at++) {
      const changed = Buffer.from(answer);
      changed[at] = (changed[at] as number) ^ 0x04;
      let status: string | undefined;
      try {
        ({ status } = readOcspAnswer(changed, subject, new Date()));
      } catch {
        continue;
      }
      // Certificates that nobody needs are not signed, and ECDSA signatures not unique.
      expect([at, status]).toEqual([at, 'good']);
    }
  });
});

describe('an answer of a responder that lies', () => {
  let responder: OcspResponder;
  beforeAll(async () => {
    responder = await OcspResponder.start(pairs);
  });
  afterAll(() => responder.stop());

  it.each<[Behaviour, RegExp]>([
    ['wrong-signer', /not signed by "ca"/],
    ['other-serial', /about another certificate/],
    ['wrong-delegate', /"leaf", which is not for OCSP signing/],
    ['try-later', /the responder answers tryLater/],
    ['garbage', /tag|DER|value/],
  ])('is rejected: %s', async (behaviour, reason) => {
    const request = encodeURIComponent(encodeOcspRequest(subject).toString('base64'));
    const response = await fetch(`${responder.url(behaviour)}/${request}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(() => readOcspAnswer(bytes, subject, new Date())).toThrow(reason);
  });

  it('is rejected when it is about a certificate of another issuer with the same serial number', async () => {
    const other = { ...subject, issuer: new Certificate(certificateOf(pairs.stranger).der) };
    const request = encodeURIComponent(encodeOcspRequest(other).toString('base64'));
    const response = await fetch(`${responder.url('good')}/${request}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(() => readOcspAnswer(bytes, subject, new Date())).toThrow(/about another certificate/);
  });
});
