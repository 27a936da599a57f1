// Other programs read the list and the answers over HTTP, where the certificates say that they are: openssl, Go, Java and
// Python accept a certificate, and reject it once it is revoked. A program that is missing is left out, unless REQUIRE_PEERS=1.
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { writeRevocationLists } from '../../../src/pki/revoke/lists.ts';
import { revokeCertificates } from '../../../src/pki/revoke/revocation.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';
import { type StatusServer, startStatusServer } from '../../support/status-server.ts';

const scratch = testFolder('other-readers');
const execute = promisify(execFile);
const file = (name: string) => join(scratch, name);

let directory: PkiDirectory;
let server: StatusServer;

beforeAll(async () => {
  directory = await madeDirectory(scratch, { clients: [] });
  server = await startStatusServer(directory);
  const addresses = { ocsp: [`${server.url}/ocsp`], crl: [`${server.url}/ca.crl`] };
  directory.changeAddresses(addresses);
  await issueCertificates({ directory, profile: 'client', names: ['good', 'revoked'] });
  for (const name of ['good', 'revoked']) writeFileSync(file(`${name}.pem`), leafOf(directory, name).toPem());
  writeFileSync(file('ca.pem'), (await directory.readBundle())[0].toPem());
  const reason = 'keyCompromise' as const;
  await revokeCertificates({ directory, names: ['revoked'], reason, lockOut: async () => undefined });
  await writeRevocationLists({ directory });
}, 30_000);
afterAll(() => server.close());

/** Runs a program; returns its exit code and what it printed. */
async function run(program: string, ...argv: string[]): Promise<{ code: number; text: string }> {
  try {
    const { stdout, stderr } = await execute(program, argv, { cwd: scratch });
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

/** Opens a block for a program, which answers to a command when it is there. */
function describeReader(name: string, probe: readonly [string, ...string[]], body: () => void): void {
  const [program, ...argv] = probe;
  const isThere = spawnSync(program, argv).status === 0;
  if (isThere || process.env.REQUIRE_PEERS === '1') describe(name, body);
  // The machine does not have the program.
  else describe.skip(name, body);
}

describeReader('openssl', ['openssl', 'version'], () => {
  it('reads answers about both', async () => {
    const certificates = ['-cert', 'good.pem', '-cert', 'revoked.pem'];
    const ocsp = ['ocsp', '-issuer', 'ca.pem', '-CAfile', 'ca.pem', '-url', `${server.url}/ocsp`];
    const { text } = await run('openssl', ...ocsp, ...certificates);
    expect(text).toContain('Response verify OK');
    expect(text).toMatch(/good\.pem: good\n/);
    expect(text).toMatch(/revoked\.pem: revoked\n(.*\n)*\tReason: keyCompromise\n/);
  });

  it('finds the list by the address in the certificate, and reads the file with -CRLfile', async () => {
    const sources = [['-crl_download'], ['-CRLfile', directory.revocationListFile]];
    for (const source of sources) {
      const verify = ['verify', '-crl_check', '-x509_strict', ...source, '-CAfile', 'ca.pem'];
      expect(await run('openssl', ...verify, 'good.pem')).toMatchObject({ code: 0, text: 'good.pem: OK\n' });
      const rejected = await run('openssl', ...verify, 'revoked.pem');
      expect(rejected.code).toBe(2);
      expect(rejected.text).toContain('certificate revoked');
    }
  });
});

// With the module that it needs: from the cache of Go, or the network.
describeReader('Go', ['go', 'list', '-m', 'golang.org/x/crypto@v0.46.0'], () => {
  it('verifies answers and the list', async () => {
    const folder = file('go');
    mkdirSync(folder);
    writeFileSync(join(folder, 'main.go'), goReader);
    writeFileSync(join(folder, 'go.mod'), goModule);
    const environment = { ...process.env, GOFLAGS: '-mod=mod' };
    const { stdout } = await execute('go', ['run', '.', '..', server.url], { cwd: folder, env: environment });
    expect(stdout).toBe('good: ocsp 0, list false\nrevoked: ocsp 1 reason 1, list true\n');
  }, 120_000);
});

describeReader('Java', ['java', '-version'], () => {
  it.each([
    ['OCSP', 'ocsp'],
    ['the list', 'list'],
  ])(
    'validates a path with %s, at the address in the certificate',
    async (_title, way) => {
      writeFileSync(file('Check.java'), javaReader);
      const { text } = await run('java', '-Dcom.sun.security.enableCRLDP=true', 'Check.java', way);
      expect(text).toBe('good: valid\nrevoked: REVOKED KEY_COMPROMISE\n');
    },
    60_000,
  );
});

describeReader('Python', ['python3', '-c', 'import cryptography'], () => {
  it('reads answers and the list', async () => {
    writeFileSync(file('check.py'), pythonReader);
    const { text } = await run('python3', 'check.py', server.url);
    expect(text).toBe('good GOOD None False\nrevoked REVOKED ReasonFlags.key_compromise True\n');
  }, 30_000);
});

const goModule = `module check

go 1.21

require golang.org/x/crypto v0.46.0
`;

const goReader = `package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/crypto/ocsp"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func read(name string) *x509.Certificate {
	data, err := os.ReadFile(os.Args[1] + "/" + name + ".pem")
	must(err)
	block, _ := pem.Decode(data)
	certificate, err := x509.ParseCertificate(block.Bytes)
	must(err)
	return certificate
}

func body(response *http.Response, err error) []byte {
	must(err)
	data, err := io.ReadAll(response.Body)
	must(err)
	return data
}

func main() {
	issuer := read("ca")
	list, err := x509.ParseRevocationList(body(http.Get(os.Args[2] + "/ca.crl")))
	must(err)
	must(list.CheckSignatureFrom(issuer))
	for _, name := range []string{"good", "revoked"} {
		certificate := read(name)
		request, err := ocsp.CreateRequest(certificate, issuer, nil)
		must(err)
		url := certificate.OCSPServer[0]
		answer, err := ocsp.ParseResponseForCert(body(http.Post(url, "application/ocsp-request", bytes.NewReader(request))), certificate, issuer)
		must(err)
		listed := false
		for _, entry := range list.RevokedCertificateEntries {
			listed = listed || entry.SerialNumber.Cmp(certificate.SerialNumber) == 0
		}
		reason := ""
		if answer.Status == ocsp.Revoked {
			reason = fmt.Sprintf(" reason %d", answer.RevocationReason)
		}
		fmt.Printf("%s: ocsp %d%s, list %t\\n", name, answer.Status, reason, listed)
	}
}
`;

const javaReader = `import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;
import java.security.cert.PKIXRevocationChecker.Option;

public class Check {
  static X509Certificate read(String name) throws Exception {
    try (FileInputStream in = new FileInputStream(name + ".pem")) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Set<TrustAnchor> anchors = Set.of(new TrustAnchor(read("ca"), null));
    for (String name : List.of("good", "revoked")) {
      CertPathValidator validator = CertPathValidator.getInstance("PKIX");
      PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
      Set<Option> options = EnumSet.of(Option.NO_FALLBACK);
      if (arguments[0].equals("list")) options.add(Option.PREFER_CRLS);
      checker.setOptions(options);
      PKIXParameters parameters = new PKIXParameters(anchors);
      parameters.addCertPathChecker(checker);
      CertPath path = CertificateFactory.getInstance("X.509").generateCertPath(List.of(read(name)));
      try {
        validator.validate(path, parameters);
        System.out.println(name + ": valid");
      } catch (CertPathValidatorException error) {
        Throwable cause = error.getCause();
        Object reason = cause instanceof CertificateRevokedException revoked ? revoked.getRevocationReason() : cause;
        System.out.println(name + ": " + error.getReason() + " " + reason);
      }
    }
  }
}
`;

const pythonReader = `
import sys, urllib.request
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

read = lambda name: x509.load_pem_x509_certificate(open(name + ".pem", "rb").read())
issuer = read("ca")
crl = x509.load_der_x509_crl(urllib.request.urlopen(sys.argv[1] + "/ca.crl").read())
assert crl.is_signature_valid(issuer.public_key())
for name in ["good", "revoked"]:
    certificate = read(name)
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    url = access[0].access_location.value
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()
    data = request.public_bytes(Encoding.DER)
    answer = ocsp.load_der_ocsp_response(urllib.request.urlopen(urllib.request.Request(url, data)).read())
    [signer] = answer.certificates
    signer.verify_directly_issued_by(issuer)
    signer.public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
    listed = crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    print(name, answer.certificate_status.name, answer.revocation_reason, listed)
`;
