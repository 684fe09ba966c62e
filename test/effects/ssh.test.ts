/** Commands of somebody who is not root run as root, in one place: with their input, output and exit code untouched. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import { asRoot, dial, type Remote } from '../../src/effects/ssh.ts';

/** `sudo` as far as it matters: says that it was there, and only takes what may be run without asking. */
const SUDO = `#!/bin/sh
[ "$1 $2" = '-n --' ] || { echo "sudo: asked for $*" >&2; exit 1; }
shift 2
[ ! -e "$(dirname "$0")/asks" ] || { echo 'sudo: a password is required' >&2; exit 1; }
BY_SUDO=yes exec "$@"
`;

describe('a command line', () => {
  test('of root is as it is', () => expect(asRoot('root', `echo "it's"`)).toBe(`echo "it's"`));
  test('of another is one argument of sudo', () => {
    expect(asRoot('admin', `echo "it's"; id`)).toBe(`sudo -n -- /bin/sh -c 'echo "it'\\''s"; id'`);
  });
});

describe('a machine', () => {
  const [host, client] = [generateHostKey(), generateHostKey()];
  let folder: string;
  let server: ssh2.Server;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cell-ssh-'));
    writeFileSync(join(folder, 'sudo'), SUDO);
    chmodSync(join(folder, 'sudo'), 0o755);
    server = new ssh2.Server({ hostKeys: [host.privatePem] }, (connection) => {
      connection.on('error', () => {});
      connection.on('authentication', (context) => context.accept());
      connection.on('session', (accept) => {
        accept().on('exec', (take, _refuse, { command }) => {
          const channel = take();
          const child = spawn('/bin/sh', ['-c', command], { env: { PATH: `${folder}:${process.env.PATH}` } });
          channel.pipe(child.stdin);
          child.stdin.on('error', () => {});
          child.stdout.pipe(channel, { end: false });
          child.stderr.pipe(channel.stderr, { end: false });
          child.on('close', (code) => {
            channel.exit(code ?? 255);
            channel.end();
          });
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function as<T>(user: string, work: (remote: Remote) => Promise<T>): Promise<T> {
    const { port } = server.address() as AddressInfo;
    const reach = { address: '127.0.0.1', sshPort: port, httpPort: 80, user, root: '' };
    const remote = await dial(reach, { privateKey: client.privatePem, hostKeys: [host.publicKey] });
    try {
      return await work(remote);
    } finally {
      remote.close();
    }
  }
  const WHO = 'printf "%s" "$BY_SUDO"';

  test('is told by root directly and by another through sudo', async () => {
    expect(await as('root', (remote) => remote.must(WHO))).toBe('');
    expect(await as('admin', (remote) => remote.must(WHO))).toBe('yes');
  });

  test.each(['root', 'admin'])(
    'takes a whole script of %s: every command of it, what it pipes, and its code',
    async (user) => {
      await as(user, async (remote) => {
        const script = `cd / && pwd\nif true; then echo "it's $((40 + 2))" | tr a-z A-Z; fi; ${WHO}`;
        expect(await remote.must(script)).toBe(`/\nIT'S 42\n${user === 'root' ? '' : 'yes'}`);
        expect(await remote.run('echo no >&2; exit 7')).toEqual({ code: 7, stdout: '', stderr: 'no\n' });
      });
    },
  );

  test.each(['root', 'admin'])('gets the input of %s to the byte, and gives its output so', async (user) => {
    const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, index) => (index * 7) % 256));
    await as(user, async (remote) => {
      expect(await remote.must('wc -c', { stdin: bytes })).toBe('500000\n');
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const chunks: Buffer[] = [];
      stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      stdin.end(bytes);
      expect((await remote.run('cat', { stdin, stdout })).code).toBe(0);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    });
  });

  test('whose user may not is a failure that says so', async () => {
    writeFileSync(join(folder, 'asks'), '');
    await expect(as('admin', (remote) => remote.must('id'))).rejects.toMatchObject({
      code: 'REMOTE_FAILED',
      why: 'sudo: a password is required',
    });
  });
});
