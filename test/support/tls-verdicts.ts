// Asks the TLS of Go, Python and Node whether a client that trusts a bundle accepts a server with a pair of files.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { handshake } from './mutual-tls.ts';

/** The files of a server, and what its clients trust; the folder names them. */
interface Files {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const runFile = promisify(execFile);

const goProgram = `package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

func verdict(cert, key, ca string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("no authority")
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	here.SetDeadline(time.Now().Add(5 * time.Second))
	go func() {
		defer there.Close()
		tls.Server(there, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
	}()
	return tls.Client(here, &tls.Config{RootCAs: roots, ServerName: "localhost"}).Handshake()
}

func main() {
	var handshakes sync.WaitGroup
	var output sync.Mutex
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		files := strings.Split(lines.Text(), "\\t")
		handshakes.Add(1)
		// A handshake that fails may take until its deadline: all of them at a time.
		go func() {
			defer handshakes.Done()
			accepted := verdict(files[1], files[2], files[3]) == nil
			output.Lock()
			defer output.Unlock()
			fmt.Printf("%s\\t%v\\n", files[0], accepted)
		}()
	}
	handshakes.Wait()
}
`;

const pythonProgram = `import ssl, sys

def verdict(cert, key, ca):
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, key, password="")
        client = ssl.create_default_context(cafile=ca)
        a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [client.wrap_bio(a, b, server_hostname="localhost"), server.wrap_bio(b, a, server_side=True)]
        for _ in range(8):
            for side in sides:
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
        return sides[0].version() is not None
    except (ssl.SSLError, OSError, ValueError):
        return False

for line in sys.stdin:
    folder, *files = line.rstrip("\\n").split("\\t")
    print(folder, verdict(*files), sep="\\t")
`;

/** Returns the verdicts of a Go client by folder; undefined where there is no Go. */
export async function goVerdicts(all: readonly Files[]): Promise<ReadonlyMap<string, boolean> | undefined> {
  if (!isThere('go', 'version')) return undefined;
  return withFile('main.go', goProgram, (file) => ask(['go', 'run', file], all));
}

/** Returns the verdicts of a Python client by folder; undefined where there is no Python. */
export async function pythonVerdicts(
  all: readonly Files[],
): Promise<ReadonlyMap<string, boolean> | undefined> {
  if (!isThere('python3', '--version')) return undefined;
  return withFile('main.py', pythonProgram, (file) => ask(['python3', file], all));
}

/** Returns the verdict of a client of Node. */
export async function nodeVerdict({ cert, key, ca }: Files): Promise<boolean> {
  const text = (file: string) => readFileSync(file, 'latin1');
  const server = { cert: text(cert), key: text(key) };
  try {
    return (await handshake({ ca: text(ca), server, client: server })).serverAuthorized;
  } catch {
    // OpenSSL cannot load one of the files.
    return false;
  }
}

function isThere(program: string, flag: string): boolean {
  const isFound = spawnSync(program, [flag], { stdio: 'ignore' }).status === 0;
  if (!isFound && process.env.REQUIRE_PEERS === '1') throw new Error(`${program} is not on PATH`);
  return isFound;
}

async function withFile<T>(name: string, text: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'natspki-verdicts-'));
  try {
    writeFileSync(join(folder, name), text);
    return await use(join(folder, name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask([program = '', ...args]: string[], all: readonly Files[]): Promise<Map<string, boolean>> {
  const asked = runFile(program, args);
  asked.child.stdin?.end(
    all.map(({ folder, cert, key, ca }) => `${folder}\t${cert}\t${key}\t${ca}\n`).join(''),
  );
  const lines = (await asked).stdout.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [folder = '', verdict = ''] = line.split('\t');
      return [folder, verdict.toLowerCase() === 'true'];
    }),
  );
}
