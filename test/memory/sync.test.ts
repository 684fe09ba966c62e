import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import ssh2 from 'ssh2';
import { expect, onTestFinished, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import { type Peer, syncAll, syncWith } from '../../src/memory/sync.ts';
import { programFile } from '../../src/programs.ts';
import type { Member } from './support.ts';
import { organism } from './support.ts';

/** An sshd that lets one key in and runs the forced command, whatever is asked for. */
async function sshd(of: Member, peer: Member, asked: string[] = []): Promise<Peer & { readonly id: string }> {
  const { privatePem, publicKey } = generateHostKey();
  const children = new Set<ReturnType<typeof spawn>>();
  const server = new ssh2.Server({ hostKeys: [privatePem] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      const known = Buffer.from(peer.identity.publicKey.split(' ')[1]!, 'base64');
      if (context.method === 'publickey' && context.key.data.equals(known)) context.accept();
      else context.reject(['publickey']);
    });
    client.on('session', (accept) => {
      accept().on('exec', (take, _reject, info) => {
        asked.push(info.command);
        const channel = take();
        const child = spawn(process.execPath, [programFile('sync'), '--home', of.home, '--peer', peer.identity.id], {
          env: { ...process.env, SSH_ORIGINAL_COMMAND: info.command },
        });
        children.add(child);
        child.stdin.on('error', () => undefined); // a session that was refused reads no further
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.stderr.pipe(channel.stderr);
        child.on('close', (code) => {
          children.delete(child);
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const reach = { address: '127.0.0.1', sshPort: port, user: 'root', root: '', httpPort: 0 };
  return { id: of.identity.id, reach, hostKey: publicKey };
}

const from = ({ home, identity }: Member) => ({ home, identity });

test('two cells exchange everything over ssh, and what is asked for is not what runs', async () => {
  const { cells } = await organism(2);
  const [first, second] = cells as [Member, Member];
  const asked: string[] = [];
  const peer = await sshd(first, second, asked);
  expect(await syncWith(peer, from(second))).toMatchObject({
    peer: first.identity.id,
    taken: 6,
    given: 1,
    genome: true,
  });
  expect(await syncWith({ reach: peer.reach, hostKey: peer.hostKey }, from(second))).toMatchObject({
    taken: 0,
    given: 0,
  });
  expect((await second.memory.recall()).lineage).toEqual((await first.memory.recall()).lineage);
  expect(asked[0]).toMatch(/cell sync --serve --peer [a-z2-7]{26}$/);
}, 60_000);

test('another host key than the pinned one is no peer', async () => {
  const { cells } = await organism(2);
  const [first, second] = cells as [Member, Member];
  const peer = await sshd(first, second);
  const other = { ...peer, hostKey: generateHostKey().publicKey };
  await expect(syncWith(other, from(second))).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });
}, 60_000);

test('of many peers, each that fails says why and holds up no other', async () => {
  const { seeder, cells } = await organism(2);
  const [first, second] = cells as [Member, Member];
  const good = await sshd(first, second);
  const locked = await sshd(first, seeder);
  const silent = createServer((socket) => socket.destroy());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const closed = { ...good, reach: { ...good.reach, sshPort: port } };
  const stranger = { ...good, id: 'a'.repeat(26) };
  const results = await syncAll([closed, good, locked, stranger], { ...from(second), limit: 2 });
  expect(results.map(({ ok }) => ok)).toEqual([false, true, false, false]);
  expect(results[0]?.why).toMatch(/No sync with 127\.0\.0\.1/);
  expect(results[2]?.why).toMatch(/Permission denied/);
  expect(results[3]?.why).toMatch(/was to answer/);
}, 60_000);
