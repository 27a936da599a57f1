// More than 150 chains that a client may send, judged by nats-server and by the broker: both accept the same ones.
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { expect, it } from 'vitest';
import { writeDer } from '../support/der.ts';
import { testFolder } from '../support/folder.ts';
import {
  algorithmOf,
  basic,
  constraints,
  extension,
  generalName,
  hex,
  keyUsage,
  makeOdd,
  name,
  names,
  newKey,
  type Odd,
  type OddOptions,
  oid,
  pemOf,
  usage,
} from '../support/odd-certificates.ts';
import { besideNatsServer, type Suite } from './suite.ts';

const folder = testFolder('client-chains');
const authority = [basic(true), keyUsage(5, 6)];
const trusted: Odd[] = [];

/** Makes a self-signed root that the servers trust. */
function root(extensions: readonly Buffer[] = authority, options: OddOptions = {}): Odd {
  const made = makeOdd({ subject: `root ${trusted.length}`, extensions, ...options });
  trusted.push(made);
  return made;
}

const ca = root();
const server = makeOdd({
  issuer: ca,
  subject: 'localhost',
  extensions: [basic(), usage('server'), names('dns:localhost', 'ip:7f000001')],
});

const forClients = [basic(), usage('client')];
/** A client certificate with these extensions instead of the usual ones. */
const client = (...extensions: Buffer[]): Odd[] => [makeOdd({ issuer: ca, extensions })];
/** A client certificate with further extensions. */
const clientWith = (...more: Buffer[]) => client(...forClients, ...more);
const made = (options: OddOptions): Odd[] => [makeOdd({ issuer: ca, ...options })];

/** A client below an intermediate with these extensions. */
function below(extensions: readonly Buffer[], leaf: OddOptions = {}, middle: OddOptions = {}): Odd[] {
  const issuer = makeOdd({ issuer: ca, subject: 'middle', extensions, ...middle });
  return [makeOdd({ issuer, ...leaf }), issuer];
}

/** A client below a trusted root with these extensions. */
function under(extensions: readonly Buffer[], leaf: OddOptions = {}, top: OddOptions = {}): Odd[] {
  return [makeOdd({ issuer: root(extensions, top), ...leaf })];
}

/** A client below intermediates with these extensions, from the root on. */
function deep(top: Odd, ...extensions: (readonly Buffer[])[]): Odd[] {
  const chain = [top];
  for (const each of extensions)
    chain.unshift(makeOdd({ issuer: chain[0] as Odd, subject: `depth ${chain.length}`, extensions: each }));
  return [makeOdd({ issuer: chain[0] as Odd }), ...chain.slice(0, -1)];
}
const times = (count: number) => Array.from({ length: count }, () => authority);

/** A client with these names below an intermediate with name constraints. */
const limited = (limits: readonly string[], ...own: string[]) =>
  below([...authority, constraints(...limits)], { extensions: [...forClients, names(...own)] });
/** The same with a common name and without alternative names. */
const limitedName = (limits: readonly string[], subject: string) =>
  below([...authority, constraints(...limits)], { subject });

const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey;
const rsaPss = () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
const ed448 = () => generateKeyPairSync('ed448').privateKey;
const ed25519 = () => generateKeyPairSync('ed25519').privateKey;
const dsa = () => generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey;

const raw = (id: string, digits: string, critical = false) => extension(id, hex(digits), critical);
const san = '2.5.29.17';
const access = '1.3.6.1.5.5.7.1.1';
const anIp = '0a000001';
const ipRange = '0a000000ff000000';
const utc = (text: string) => writeDer(0x17, Buffer.from(text));
const generalized = (text: string) => writeDer(0x18, Buffer.from(text));

/** The leaf first, then what is sent with it. */
const chains: Record<string, () => Odd[]> = {
  'of an ordinary client': () => client(...forClients),
  // The usages of the leaf.
  'without extended usage': () => client(basic()),
  'for servers': () => client(basic(), usage('server')),
  'for servers and clients': () => client(basic(), usage('server', 'client')),
  'for any usage': () => client(basic(), usage('any')),
  'for any usage and servers': () => client(basic(), usage('server', 'any')),
  'with an empty extended usage': () => client(basic(), usage()),
  'for an unknown usage': () => client(basic(), usage('unknown')),
  'for an unknown usage and clients': () => client(basic(), usage('unknown', 'client')),
  'for code signing': () => client(basic(), usage('code')),
  'for e-mail': () => client(basic(), usage('email')),
  'for server-gated cryptography': () => client(basic(), usage('gated')),
  'with a critical extended usage for clients': () =>
    client(basic(), extension('2.5.29.37', writeDer(0x30, oid('1.3.6.1.5.5.7.3.2')), true)),
  'with a critical extended usage for servers': () =>
    client(basic(), extension('2.5.29.37', writeDer(0x30, oid('1.3.6.1.5.5.7.3.1')), true)),
  'with an extended usage that is a number': () => client(basic(), raw('2.5.29.37', '020101')),
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7, 8].map((bit) => [
      `with the key usage bit ${bit} alone`,
      () => clientWith(keyUsage(bit)),
    ]),
  ),
  'with the key usage bits 0 and 2': () => clientWith(keyUsage(0, 2)),
  'with no key usage bit': () => clientWith(keyUsage()),
  'with a key usage that is a number': () => clientWith(raw('2.5.29.15', '020101', true)),
  'for clients by nsCertType alone': () => client(basic(), raw('2.16.840.1.113730.1.1', '03020780')),
  'for servers by nsCertType alone': () => client(basic(), raw('2.16.840.1.113730.1.1', '03020640')),
  // The kind of the leaf.
  'without basic constraints': () => client(usage('client')),
  'without extensions': () => made({ extensions: [] }),
  'of version 1': () => made({ extensions: [], version: 1 }),
  'of version 2': () => made({ extensions: [], version: 2 }),
  'of version 4': () => made({ version: 4 }),
  'that is an authority': () => client(...authority, usage('client')),
  'that is an authority without a key usage': () => client(basic(true), usage('client')),
  'that is an authority with a path length': () => client(basic(true, 3), keyUsage(0, 5)),
  'that is no authority and has a path length': () => client(basic(undefined, 0), usage('client')),
  'with basic constraints that say false': () => client(basic(false), usage('client')),
  'with basic constraints that are a number': () => client(raw('2.5.29.19', '020101'), usage('client')),
  'that is a trusted root': () => [root()],
  'that is a trusted root for servers': () => [root([...authority, usage('server')])],
  'that is trusted itself': () => [root(forClients)],
  'that is trusted itself and for servers': () => [root([basic(), usage('server')])],
  'that is trusted itself and was issued by another': () => {
    const [leaf] = made({}) as [Odd];
    trusted.push(leaf);
    return [leaf];
  },
  'that is trusted itself and expired': () => [root(forClients, { from: -9, until: -1 })],
  'self-signed and not trusted': () => [makeOdd()],
  // Intermediates.
  'below an intermediate': () => below(authority),
  'below an intermediate that is not sent': () => below(authority).slice(0, 1),
  'below an intermediate without basic constraints': () => below([keyUsage(5)]),
  'below an intermediate without extensions': () => below([]),
  'below an intermediate of version 1': () => below([], {}, { version: 1 }),
  'below a certificate of a client': () => below(forClients),
  'below an intermediate without key usage': () => below([basic(true)]),
  'below an intermediate with the usage digitalSignature': () => below([basic(true), keyUsage(0)]),
  'below an intermediate with the usage cRLSign': () => below([basic(true), keyUsage(6)]),
  'below an intermediate without a usage bit': () => below([basic(true), keyUsage()]),
  'below an intermediate for servers': () => below([...authority, usage('server')]),
  'below an intermediate for clients': () => below([...authority, usage('client')]),
  'below an intermediate for any usage': () => below([...authority, usage('any')]),
  'below an intermediate for an unknown usage': () => below([...authority, usage('unknown')]),
  'below an intermediate with an empty extended usage': () => below([...authority, usage()]),
  'below an expired intermediate': () => below(authority, {}, { from: -9, until: -1 }),
  'below an intermediate of the future': () => below(authority, {}, { from: 1, until: 9 }),
  'below an intermediate signed with SHA-1': () => below(authority, {}, { hash: 'sha1' }),
  'below an intermediate with an unknown critical extension': () =>
    below([...authority, raw('1.2.3.4', '0500', true)]),
  'below an intermediate with an unknown extension': () => below([...authority, raw('1.2.3.4', '0500')]),
  'below an intermediate with a negative serial number': () => below(authority, {}, { serial: hex('80') }),
  'below an intermediate with an Ed448 key': () => below(authority, {}, { key: ed448() }),
  'below an intermediate with an RSA-PSS key': () => below(authority, {}, { key: rsaPss() }),
  'below an intermediate with a P-521 key': () => below(authority, { hash: 'sha512' }, { key: ec('P-521') }),
  'below an intermediate on secp256k1': () => below(authority, {}, { key: ec('secp256k1') }),
  'below an intermediate on P-224': () => below(authority, {}, { key: ec('secp224r1') }),
  'below an intermediate of RSA with 1024 bits': () => below(authority, {}, { key: rsa(1024) }),
  'below an intermediate of RSA with 2048 bits': () => below(authority, {}, { key: rsa(2048) }),
  ...Object.fromEntries(
    [2, 5, 9, 20].map((count) => [`below ${count} intermediates`, () => deep(ca, ...times(count))]),
  ),
  'below an intermediate with the path length 0': () => deep(ca, [basic(true, 0), keyUsage(5)]),
  'two below an intermediate with the path length 0': () =>
    deep(ca, [basic(true, 0), keyUsage(5)], authority),
  'two below an intermediate with the path length 1': () =>
    deep(ca, [basic(true, 1), keyUsage(5)], authority),
  'three below an intermediate with the path length 1': () =>
    deep(ca, [basic(true, 1), keyUsage(5)], authority, authority),
  'below a self-issued intermediate under the path length 0': () => {
    const top = makeOdd({ issuer: ca, subject: 'same', extensions: [basic(true, 0), keyUsage(5)] });
    const middle = makeOdd({ issuer: top, subject: 'same', extensions: authority });
    return [makeOdd({ issuer: middle }), middle, top];
  },
  'with the name of its issuer': () => below(authority, { subject: 'middle' }),
  'below an intermediate with another key of the same name': () => {
    const one = makeOdd({ issuer: ca, subject: 'twin', extensions: authority });
    const two = makeOdd({ issuer: ca, subject: 'twin', extensions: authority });
    return [makeOdd({ issuer: two }), one, two];
  },
  'below an expired and a valid intermediate of the same key': () => {
    const key = newKey();
    const facts = { issuer: ca, subject: 'renewed', key, extensions: authority };
    const [old, now] = [makeOdd({ ...facts, from: -9, until: -1 }), makeOdd(facts)];
    return [makeOdd({ issuer: now }), old, now];
  },
  'below a valid and a limited intermediate of the same key': () => {
    const key = newKey();
    const facts = { issuer: ca, subject: 'both', key };
    const tight = makeOdd({ ...facts, extensions: [...authority, usage('server')] });
    const free = makeOdd({ ...facts, extensions: authority });
    return [makeOdd({ issuer: free }), tight, free];
  },
  // What is sent with the leaf.
  'followed by its root': () => [...client(...forClients), ca],
  'followed by unrelated certificates': () => [...client(...forClients), makeOdd(), makeOdd()],
  'followed by an expired one': () => [...client(...forClients), makeOdd({ from: -9, until: -1 })],
  'followed by one with a negative serial number': () => [
    ...client(...forClients),
    makeOdd({ serial: hex('80') }),
  ],
  'followed by one on secp256k1': () => [...client(...forClients), makeOdd({ key: ec('secp256k1') })],
  'followed by one with an Ed448 key': () => [...client(...forClients), makeOdd({ key: ed448() })],
  'followed by one of RSA with 1024 bits': () => [...client(...forClients), makeOdd({ key: rsa(1024) })],
  'followed by itself': () => {
    const [leaf] = client(...forClients) as [Odd];
    return [leaf, leaf];
  },
  'with its intermediates in another order': () => {
    const [leaf, ...rest] = deep(ca, authority, authority, authority) as [Odd, ...Odd[]];
    return [leaf, ...rest.reverse()];
  },
  'with an intermediate twice': () => {
    const [leaf, middle] = below(authority) as [Odd, Odd];
    return [leaf, middle, middle];
  },
  // Roots.
  'below a root without basic constraints': () => under([keyUsage(5)]),
  'below a root without extensions': () => under([]),
  'below a root of version 1': () => under([], {}, { version: 1 }),
  'below a root that says it is no authority': () => under([basic(false)]),
  'below a root without the usage keyCertSign': () => under([basic(true), keyUsage(0)]),
  'below a root for servers': () => under([...authority, usage('server')]),
  'below a root for clients': () => under([...authority, usage('client')]),
  'below an expired root': () => under(authority, {}, { from: -9, until: -1 }),
  'below a root that signs itself with SHA-1': () => under(authority, {}, { hash: 'sha1' }),
  'below a root with the path length 0': () => under([basic(true, 0), keyUsage(5)]),
  'two below a root with the path length 0': () => deep(root([basic(true, 0), keyUsage(5)]), authority),
  'below a root with an Ed25519 key': () => under(authority, {}, { key: ed25519() }),
  'below a root with an Ed448 key': () => under(authority, {}, { key: ed448() }),
  'below a root with an RSA-PSS key': () => under(authority, {}, { key: rsaPss() }),
  'below a root with a DSA key': () => under(authority, {}, { key: dsa() }),
  'below a root on secp256k1': () => under(authority, {}, { key: ec('secp256k1') }),
  'below a root of RSA with 1024 bits': () => under(authority, {}, { key: rsa(1024) }),
  'below a root of RSA with 2048 bits': () => under(authority, {}, { key: rsa(2048) }),
  'below a root with an unknown critical extension': () =>
    under([...authority, raw('1.2.3.4', '0500', true)]),
  'below a root with name constraints': () =>
    under([...authority, constraints('dns:a.test')], { extensions: [...forClients, names('dns:b.test')] }),
  'below a trusted intermediate': () => {
    const middle = makeOdd({ issuer: ca, subject: 'trusted middle', extensions: authority });
    trusted.push(middle);
    return [makeOdd({ issuer: middle })];
  },
  'below a trusted intermediate of an unknown root': () => {
    const middle = makeOdd({
      issuer: makeOdd({ subject: 'unknown root' }),
      subject: 'm2',
      extensions: authority,
    });
    trusted.push(middle);
    return [makeOdd({ issuer: middle })];
  },
  'below another root of the same name': () => [
    makeOdd({ issuer: makeOdd({ subject: 'root 0', extensions: authority }) }),
  ],
  'below an unknown root that is sent': () => {
    const top = makeOdd({ subject: 'stranger', extensions: authority });
    return [makeOdd({ issuer: top }), top];
  },
  'whose issuer is written in another string type': () => made({ issuerName: name('root 0', 0x13) }),
  'whose issuer is written in upper case': () => made({ issuerName: name('ROOT 0') }),
  'whose issuer has a space more': () => made({ issuerName: name('root  0') }),
  // Keys and signatures of the leaf.
  'with an Ed25519 key': () => made({ key: ed25519() }),
  'with an Ed448 key': () => made({ key: ed448() }),
  'with a P-384 key': () => made({ key: ec('P-384') }),
  'with a P-521 key': () => made({ key: ec('P-521') }),
  'with an RSA-PSS key': () => made({ key: rsaPss() }),
  'with an RSA key of 1024 bits': () => made({ key: rsa(1024) }),
  'with an RSA key of 2048 bits': () => made({ key: rsa(2048) }),
  'signed with SHA-1': () => made({ hash: 'sha1' }),
  'signed with SHA-384': () => made({ hash: 'sha384' }),
  'with two signature algorithms': () => made({ outerAlgorithm: algorithmOf(ca.key, 'sha512') }),
  'with a signature of another key': () => {
    const forger = { ...ca, key: newKey() };
    return made({ issuer: forger });
  },
  // Numbers and times.
  'with a negative serial number': () => made({ serial: hex('fb') }),
  'with the serial number 0': () => made({ serial: hex('00') }),
  'with a serial number of 24 bytes': () => made({ serial: hex('11'.repeat(24)) }),
  'that has expired': () => made({ from: -9, until: -1 }),
  'of the future': () => made({ from: 1, until: 9 }),
  'that expired a second ago': () => made({ until: -1 / 86_400 }),
  'that ends before it begins': () => made({ from: -1, until: -2 }),
  'that never expires': () => made({ until: generalized('99991231235959Z') }),
  'with a GeneralizedTime before 2050': () => made({ until: generalized('20400101000000Z') }),
  'with a time without seconds': () => made({ until: utc('4001010000Z') }),
  'with a time zone': () => made({ until: utc('400101000000+0100') }),
  // Subjects.
  'without a subject': () => made({ subject: name('') }),
  'with a subject in a PrintableString': () => made({ subject: name('plain', 0x13) }),
  'with a subject in a PrintableString that is none': () => made({ subject: name('under_score@x', 0x13) }),
  'with a subject in T61': () => made({ subject: name(hex('e4f6fc'), 0x14) }),
  'with a subject in a BMPString': () => made({ subject: name(hex('00610062'), 0x1e) }),
  'with a subject in a UniversalString': () => made({ subject: name(hex('00000061'), 0x1c) }),
  // Alternative names.
  'with names of every kind': () =>
    clientWith(names('dns:a.test', 'email:a@a.test', 'uri:nats://a.test/x', `ip:${anIp}`)),
  'with an empty list of names': () => clientWith(names()),
  'with names that are a number': () => clientWith(raw(san, '020101')),
  'with a DNS name with an underscore': () => clientWith(names('dns:a_b.test')),
  'with an empty DNS name': () => clientWith(names('dns:')),
  'with a DNS name that ends in a dot': () => clientWith(names('dns:a.test.')),
  'with a DNS name with a space': () => clientWith(names('dns:a b.test')),
  'with a DNS name that is not ASCII': () => clientWith(names('dns:b\xfccher.test')),
  'with a DNS name with a null byte': () => clientWith(names('dns:a.test\0b')),
  'with a wildcard': () => clientWith(names('dns:*.a.test')),
  'with an address of 5 bytes': () => clientWith(names('ip:0a00000102')),
  'with an e-mail address without @': () => clientWith(names('email:nobody')),
  'with an e-mail address that is not ASCII': () => clientWith(names('email:b\xfc@a.test')),
  'with a URI without a scheme': () => clientWith(names('uri:a.test/x')),
  'with a URI with an unfinished host': () => clientWith(names('uri:http://[::1')),
  'with a URI with an invalid escape': () => clientWith(names('uri:http://a.test/%zz')),
  'with a URI whose host ends in a dot': () => clientWith(names('uri:http://a.test./')),
  'with a URI that is not ASCII': () => clientWith(names('uri:http://b\xfccher.test/')),
  'with a URI with a control character': () => clientWith(names('uri:http://a.test/\x01')),
  'with a directory name': () => clientWith(names('dir:x')),
  'with a registered id': () => clientWith(names('rid:1.2.3')),
  'with another name': () => clientWith(names('other:x')),
  'with critical names': () => clientWith(extension(san, writeDer(0x30, generalName('dns:a.test')), true)),
  'with critical names of unknown kinds alone': () =>
    clientWith(extension(san, writeDer(0x30, generalName('rid:1.2.3')), true)),
  'with names twice': () => clientWith(names('dns:a.test'), names('dns:b.test')),
  // Other extensions.
  'with an unknown critical extension': () => clientWith(raw('1.2.3.4', '0500', true)),
  'with an unknown extension': () => clientWith(raw('1.2.3.4', '0500')),
  'with information access that is a number': () => clientWith(raw(access, '020101')),
  'with critical information access': () =>
    clientWith(
      extension(
        access,
        writeDer(0x30, writeDer(0x30, oid('1.3.6.1.5.5.7.48.1'), generalName('uri:http://a/'))),
        true,
      ),
    ),
  'with information access': () =>
    clientWith(
      extension(
        access,
        writeDer(0x30, writeDer(0x30, oid('1.3.6.1.5.5.7.48.1'), generalName('uri:http://a/'))),
      ),
    ),
  'with an empty information access': () => clientWith(raw(access, '3000')),
  'with a critical subject key identifier': () => clientWith(raw('2.5.29.14', '040101', true)),
  'with a subject key identifier that is a number': () => clientWith(raw('2.5.29.14', '020101')),
  'with a critical authority key identifier': () => clientWith(raw('2.5.29.35', '3003800101', true)),
  'with the wrong authority key identifier': () => clientWith(raw('2.5.29.35', '3003800101')),
  'with an authority key identifier that is a number': () => clientWith(raw('2.5.29.35', '020101')),
  'with CRL distribution points that are a number': () => clientWith(raw('2.5.29.31', '020101')),
  'with empty CRL distribution points': () => clientWith(raw('2.5.29.31', '3000')),
  'with policies that are a number': () => clientWith(raw('2.5.29.32', '020101')),
  'with a critical policy': () =>
    clientWith(extension('2.5.29.32', writeDer(0x30, writeDer(0x30, oid('1.2.3.4'))), true)),
  'with a policy twice': () =>
    clientWith(
      extension('2.5.29.32', writeDer(0x30, writeDer(0x30, oid('1.2.3.4')), writeDer(0x30, oid('1.2.3.4')))),
    ),
  'below an intermediate that requires a policy': () =>
    below([...authority, raw('2.5.29.36', '3003800100', true)]),
  'below intermediates with the policy that is required': () => {
    const policy = extension('2.5.29.32', writeDer(0x30, writeDer(0x30, oid('1.2.3.4'))));
    const extensions = [...authority, policy, raw('2.5.29.36', '3003800100', true)];
    return below(extensions, { extensions: [...forClients, policy] });
  },
  'below an intermediate that requires another policy': () => {
    const policy = (id: string) => extension('2.5.29.32', writeDer(0x30, writeDer(0x30, oid(id))));
    const extensions = [...authority, policy('1.2.3.4'), raw('2.5.29.36', '3003800100', true)];
    return below(extensions, { extensions: [...forClients, policy('1.2.3.5')] });
  },
  'below an intermediate with any policy that requires one': () => {
    const policy = (id: string) => extension('2.5.29.32', writeDer(0x30, writeDer(0x30, oid(id))));
    const extensions = [...authority, policy('2.5.29.32.0'), raw('2.5.29.36', '3003800100', true)];
    return below(extensions, { extensions: [...forClients, policy('1.2.3.5')] });
  },
  'below an intermediate that requires a policy two further': () =>
    below([...authority, raw('2.5.29.36', '3003800102', true)]),
  'below an intermediate that requires a policy one further': () =>
    below([...authority, raw('2.5.29.36', '3003800101', true)]),
  'that requires a policy and has none': () => clientWith(raw('2.5.29.36', '3003800100', true)),
  'that requires a staple': () => clientWith(raw('1.3.6.1.5.5.7.1.24', '3003020105')),
  'with name constraints of its own': () => clientWith(constraints('dns:a.test')),
  // Name constraints.
  'with a permitted DNS name': () => limited(['dns:a.test'], 'dns:b.a.test'),
  'with the permitted DNS name itself': () => limited(['dns:a.test'], 'dns:a.test'),
  'with a permitted DNS name in upper case': () => limited(['dns:a.test'], 'dns:B.A.TEST'),
  'with a DNS name that only ends like the permitted one': () => limited(['dns:a.test'], 'dns:ba.test'),
  'with another DNS name': () => limited(['dns:a.test'], 'dns:b.test'),
  'with a permitted and another DNS name': () => limited(['dns:a.test'], 'dns:a.test', 'dns:b.test'),
  'with a DNS name under a constraint with a dot': () => limited(['dns:.a.test'], 'dns:b.a.test'),
  'with the DNS name of a constraint with a dot': () => limited(['dns:.a.test'], 'dns:a.test'),
  'with an excluded DNS name': () => limited(['!dns:a.test'], 'dns:b.a.test'),
  'with a DNS name beside the excluded one': () => limited(['!dns:a.test'], 'dns:b.test'),
  'with a wildcard below the excluded DNS name': () => limited(['!dns:a.test'], 'dns:*.a.test'),
  'with a wildcard that covers the excluded DNS name': () => limited(['!dns:b.a.test'], 'dns:*.a.test'),
  'with a wildcard that is permitted': () => limited(['dns:a.test'], 'dns:*.a.test'),
  'with a wildcard above the permitted DNS name': () => limited(['dns:b.a.test'], 'dns:*.a.test'),
  'where every DNS name is excluded': () => limited(['!dns:'], 'dns:a.test'),
  'where every DNS name is permitted': () => limited(['dns:'], 'dns:a.test'),
  'with a permitted and excluded DNS name': () => limited(['dns:a.test', '!dns:b.a.test'], 'dns:b.a.test'),
  'with an e-mail address under a DNS constraint': () => limited(['dns:a.test'], 'email:x@b.test'),
  'without names under a DNS constraint': () => below([...authority, constraints('dns:a.test')]),
  'with a host as the common name, not permitted': () => limitedName(['dns:a.test'], 'b.test'),
  'with a host as the common name, excluded': () => limitedName(['!dns:b.test'], 'x.b.test'),
  'with a permitted host as the common name': () => limitedName(['dns:a.test'], 'b.a.test'),
  'with a permitted e-mail address': () => limited(['email:x@a.test'], 'email:x@a.test'),
  'with an e-mail address of a permitted host': () => limited(['email:a.test'], 'email:x@a.test'),
  'with an e-mail address of a host below the permitted one': () =>
    limited(['email:a.test'], 'email:x@b.a.test'),
  'with an e-mail address of a permitted domain': () => limited(['email:.a.test'], 'email:x@b.a.test'),
  'with an e-mail address in upper case': () => limited(['email:x@a.test'], 'email:X@a.test'),
  'with another e-mail address': () => limited(['email:a.test'], 'email:x@b.test'),
  'with an excluded e-mail address': () => limited(['!email:a.test'], 'email:x@a.test'),
  'with a malformed e-mail address under a constraint': () => limited(['email:a.test'], 'email:nobody'),
  'with a permitted URI': () => limited(['uri:a.test'], 'uri:spiffe://a.test/x'),
  'with a URI of a permitted domain': () => limited(['uri:.a.test'], 'uri:spiffe://b.a.test/x'),
  'with another URI': () => limited(['uri:a.test'], 'uri:spiffe://b.test/x'),
  'with an excluded URI': () => limited(['!uri:a.test'], 'uri:spiffe://a.test/x'),
  'with a URI of an address under a constraint': () => limited(['uri:a.test'], 'uri:spiffe://10.0.0.1/x'),
  'with a URI without a host under a constraint': () => limited(['uri:a.test'], 'uri:urn:x'),
  'with a permitted address': () => limited([`ip:${ipRange}`], `ip:${anIp}`),
  'with another address': () => limited([`ip:${ipRange}`], 'ip:0b000001'),
  'with an excluded address': () => limited([`!ip:${ipRange}`], `ip:${anIp}`),
  'with an IPv6 address under an IPv4 constraint': () =>
    limited([`ip:${ipRange}`], `ip:${'00'.repeat(15)}01`),
  'under a mask with holes': () => limited(['ip:0a000000ff00ff00'], `ip:${anIp}`),
  'under an address constraint of 5 bytes': () => limited(['ip:0a000000ff'], `ip:${anIp}`),
  'under a directory name constraint': () => limited(['dir:x'], 'dns:a.test'),
  'under an excluded directory name': () => limited(['!dir:x'], 'dns:a.test'),
  'under empty name constraints': () => limited([], 'dns:a.test'),
  'under a DNS constraint with a wildcard': () => limited(['dns:*.a.test'], 'dns:b.a.test'),
  'under a DNS constraint that is not ASCII': () => limited(['dns:b\xfc.test'], 'dns:a.test'),
  'under two authorities with constraints': () => {
    const top = makeOdd({
      issuer: ca,
      subject: 'top',
      extensions: [...authority, constraints('dns:a.test')],
    });
    const middle = makeOdd({
      issuer: top,
      subject: 'sub',
      extensions: [...authority, constraints('dns:b.a.test')],
    });
    return [makeOdd({ issuer: middle, extensions: [...forClients, names('dns:c.a.test')] }), middle, top];
  },
  'under an authority whose own name its issuer excludes': () => {
    const top = makeOdd({
      issuer: ca,
      subject: 'top2',
      extensions: [...authority, constraints('!dns:a.test')],
    });
    const middle = makeOdd({ issuer: top, subject: 'sub2', extensions: [...authority, names('dns:a.test')] });
    return [makeOdd({ issuer: middle }), middle, top];
  },
};

/** Go does not see that these are malformed, or goes on where OpenSSL finds an issuer of the right name: docs/SECURITY.md. */
const onlyNatsServer: ReadonlySet<string> = new Set([
  'with no key usage bit',
  'below an intermediate without a usage bit',
  'with the name of its issuer',
  'below an intermediate with another key of the same name',
  'with a time without seconds',
  'with a time zone',
]);

const all = Object.entries(chains).map(([title, make]) => [title, make()] as const);
const file = (path: string, text: string) => {
  writeFileSync(join(folder, path), text, { mode: 0o600 });
  return join(folder, path);
};
const keyText = ({ key }: Odd) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const files = {
  cert: file('server.pem', pemOf(server)),
  key: file('server.key', keyText(server)),
  ca: file('ca.pem', pemOf(...trusted)),
};

/** The options of a client. Every algorithm is good on this side, so that only the server decides. */
function optionsOf([leaf, ...behind]: readonly Odd[]) {
  const cert = pemOf(leaf as Odd, ...behind);
  return { cert, key: keyText(leaf as Odd), rejectUnauthorized: false, ciphers: 'DEFAULT@SECLEVEL=0' };
}

function isLoadable(chain: readonly Odd[]): boolean {
  try {
    createSecureContext(optionsOf(chain));
    return true;
  } catch {
    return false;
  }
}

const configuration = `tls { cert_file: "${files.cert}", key_file: "${files.key}", ca_file: "${files.ca}", verify: true }`;

besideNatsServer('a chain of certificates', configuration, ([ours, theirs]) => {
  async function accepts(suite: Suite, chain: readonly Odd[]): Promise<boolean> {
    const tls = optionsOf(chain);
    // Fails here for a chain that the client cannot load.
    createSecureContext(tls);
    try {
      await suite.connect({}, { tls });
      return true;
    } catch {
      return false;
    }
  }

  // OpenSSL 3.5 loads no certificate with an impossible time, so that no client of Node can send it.
  const stricter = all.filter(
    ([title, chain]) =>
      onlyNatsServer.has(title) && (title !== 'with a time without seconds' || isLoadable(chain)),
  );
  const equal = all.filter(([title]) => !onlyNatsServer.has(title));

  it.each(stricter)('is accepted by nats-server only: that of a client %s', async (_, chain) => {
    const [broker, natsServer] = await Promise.all([accepts(ours, chain), accepts(theirs, chain)]);
    expect({ broker, natsServer }).toEqual({ broker: false, natsServer: true });
  });

  it.each(equal)('is accepted by both servers or by none: that of a client %s', async (_, chain) => {
    const [broker, natsServer] = await Promise.all([accepts(ours, chain), accepts(theirs, chain)]);
    expect({ broker }).toEqual({ broker: natsServer });
  });

  it('is one of at least 150', () => {
    expect(all.length).toBeGreaterThanOrEqual(150);
  });
});
