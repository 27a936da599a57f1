// Rotations on a disk that is full or read-only: a small file system in a mount namespace. The old files stay, and the next
// rotation works.
import { beforeAll, describe, expect, it } from 'vitest';
import { bin, natspki, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('trouble');
const cli = `"${process.execPath}" "${bin}"`;

beforeAll(async () => {
  expect(await natspki(scratch, ['init', '--yes', '--host', 'localhost'])).toMatchObject({ code: 0 });
});

/** Runs a shell script where `disk` is a small file system with a copy of the certificates. */
async function onSmallDisk(script: string) {
  const setUp =
    'mkdir -p disk && mount -t tmpfs -o size=512k tmpfs disk && cp -r certs nats.conf disk/ && cd disk';
  return run(['unshare', '-rm', 'sh', '-c', `${setUp}\n${script}`], {
    folder: scratch,
    environment: { NODE_OPTIONS: '' },
  });
}

describe('natspki rotate', () => {
  it('changes nothing when the disk fills up at any moment, and works once there is room', async () => {
    const { stdout, stderr } = await onSmallDisk(`
      sha256sum certs/*.pem nats.conf > ../sums; ls -A certs > ../names
      for pages in 0 2 6 10 40; do
        dd if=/dev/zero of=room bs=4k count=$pages 2> ../dd.log; dd if=/dev/zero of=fill bs=4k 2> ../dd.log; rm room
        if ${cli} rotate > ../out.log; then echo rotated; else
          sha256sum certs/*.pem nats.conf | diff - ../sums && ls -A certs | diff - ../names && echo untouched
        fi
        rm fill
        ${cli} verify
      done
      ${cli} rotate > ../out.log && ${cli} verify`);
    expect(new Set(stderr.split('\n').map((line) => line.replace(/"[^"]+"/, 'FILE')))).toEqual(
      new Set([
        'natspki: error: no space left on the disk to write FILE',
        'natspki: hint: `df -h` shows which disk is full',
        '',
      ]),
    );
    const whole = 'ok  ./certs: nothing wrong\n';
    expect(stdout).toMatch(new RegExp(`^(untouched\n${whole}){2,4}(rotated\n${whole}){1,3}${whole}$`));
  });

  it('changes nothing on a full disk with --undo, --intermediate, --ca and --ca --finish', async () => {
    const { stdout, stderr } = await onSmallDisk(`
      ${cli} rotate server > ../out.log
      for command in 'rotate --undo server' 'rotate --intermediate' 'rotate --ca' 'rotate --ca --finish --clients-ready'; do
        case "$command" in *ready) ${cli} rotate > ../out.log;; esac
        sha256sum certs/*.pem > ../sums; ls -A certs > ../names
        dd if=/dev/zero of=fill bs=4k 2> ../dd.log
        ${cli} $command > ../out.log
        sha256sum certs/*.pem | diff - ../sums && ls -A certs | diff - ../names && echo "$command: untouched"
        rm fill
        ${cli} $command > ../out.log && ${cli} verify
      done`);
    expect(new Set(stderr.split('\n').map((line) => line.replace(/"[^"]+"/, 'FILE')))).toEqual(
      new Set([
        'natspki: error: no space left on the disk to write FILE',
        'natspki: hint: `df -h` shows which disk is full',
        '',
      ]),
    );
    const lines = [
      'rotate --undo server',
      'rotate --intermediate',
      'rotate --ca',
      'rotate --ca --finish --clients-ready',
    ];
    expect(stdout).toBe(lines.map((line) => `${line}: untouched\nok  ./certs: nothing wrong\n`).join(''));
  });

  it('fails on a read-only file system, where --dry-run works', async () => {
    const { stdout, stderr } = await onSmallDisk(`
      mount -o remount,ro "$PWD"
      ${cli} rotate; echo "exit $?"
      ${cli} rotate --dry-run client`);
    expect(stderr).toMatch(
      /^natspki: error: cannot write "[^"]+": the file system is read-only\nnatspki: hint: .*\n$/,
    );
    expect(stdout).toBe('exit 1\nreissue     client: client, new p256 key, 365 days (364 days left)\n');
  });
});
