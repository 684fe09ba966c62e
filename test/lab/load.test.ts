/** The lab's own load generator: it holds its rate, follows the name as its TTL says, and misses nothing that fails. */
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFrom, makeNamespace, type Namespace } from './load.ts';
import { type NameServer, newKey, startKnot } from './nameservers.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const BRIDGE = 'celllab149';
const [ADDRESS, OTHER, CLIENT] = ['10.149.0.1', '10.149.0.2', '10.149.0.9'];
const TTL = 1;
const ZONE = 'load.test';
const KNSUPDATE = { program: 'knsupdate', package: 'knot-dnsutils' };

async function sh(...words: readonly string[]): Promise<{ readonly stdout: string }> {
  const ran = promisify(execFile)(words[0] as string, words.slice(1), { timeout: 20_000 });
  ran.child.stdin?.end();
  return ran;
}

describe.skipIf(needs('the load generator', NSPAWN, KNOT, [KNSUPDATE]))('the load generator', () => {
  let namespace: Namespace;
  let knot: NameServer;
  const servers: Server[] = [];
  const key = newKey('load');

  beforeAll(async () => {
    await sh('ip', 'link', 'delete', BRIDGE).catch(() => {});
    await sh('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
    await sh('ip', 'link', 'set', BRIDGE, 'up');
    for (const address of [ADDRESS, OTHER]) await sh('ip', 'address', 'add', `${address}/24`, 'dev', BRIDGE);
    namespace = await makeNamespace(BRIDGE, CLIENT);
    const records = [`www ${TTL} A ${ADDRESS}`];
    knot = await startKnot({ zone: ZONE, address: ADDRESS, port: 53, keys: [key], records });
    for (const address of [ADDRESS, OTHER]) servers.push(await serve(address));
  });
  afterAll(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await knot?.stop();
    await namespace?.remove();
    await sh('ip', 'link', 'delete', BRIDGE);
  });

  const serve = async (address: string): Promise<Server> => {
    const server = createServer((request, response) => {
      response.writeHead(request.headers.host === `www.${ZONE}` ? 200 : 404).end('here');
    });
    await new Promise<void>((done) => server.listen(8_149, address, done));
    return server;
  };
  const load = (rate: number) =>
    loadFrom({ netns: namespace.name, name: `www.${ZONE}`, path: '/', rate, dns: { address: ADDRESS }, port: 8_149 });
  /** A dynamic update, as a cell makes it. */
  const pointAt = async (address: string) => {
    const update = `server ${ADDRESS}\nzone ${ZONE}\nupdate delete www.${ZONE} A\nupdate add www.${ZONE} ${TTL} A ${address}\nsend\n`;
    const child = execFile('knsupdate', ['-y', `${key.algorithm}:${key.name}:${key.secret}`]);
    child.stdin?.end(update);
    await new Promise<void>((done, failed) =>
      child.once('close', (code) => (code === 0 ? done() : failed(new Error(`knsupdate: ${code}`)))),
    );
  };

  it('sends 500 requests a second for less than a third of a core', async () => {
    const from = load(500);
    await sleep(6_000);
    const report = await from.stop();
    expect(report.failures).toEqual([]);
    expect(report.sent / (report.ms / 1_000)).toBeGreaterThan(480);
    expect(report.sent / (report.ms / 1_000)).toBeLessThan(510);
    expect(report.ok).toBe(report.sent);
    expect(report.cpu).toBeLessThan(0.33);
    expect(report.latency.p50).toBeLessThan(50);
    process.stderr.write(`load: ${JSON.stringify({ ...report, failures: report.failures.length })}\n`);
  });

  it('goes where the name points when the TTL has passed, and tells each failure with its time', async () => {
    const from = load(200);
    await expect.poll(async () => (await from.report()).ok, { timeout: 10_000 }).toBeGreaterThan(100);
    await pointAt(OTHER);
    const moved = Date.now();
    await expect
      .poll(async () => (await from.report()).byAddress[OTHER] ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(100);
    expect(Date.now() - moved).toBeLessThan(TTL * 1_000 + 4_000);
    const [, second] = servers;
    second?.closeAllConnections();
    await new Promise((done) => second?.close(done));
    const died = Date.now();
    await expect.poll(async () => (await from.report()).failed, { timeout: 10_000 }).toBeGreaterThan(20);
    await pointAt(ADDRESS);
    await expect
      .poll(
        async () => {
          const [a, b] = [await from.report(), await sleep(300).then(() => from.report())];
          return b.failed === a.failed && b.ok > a.ok;
        },
        { timeout: 10_000 },
      )
      .toBe(true);
    const report = await from.stop();
    expect(report.failures.length).toBe(report.failed);
    for (const { at, to, why } of report.failures) {
      expect([to, why]).toEqual([OTHER, expect.stringMatching(/^(?:ECONNREFUSED|ECONNRESET)$/)]);
      expect(at).toBeGreaterThanOrEqual(died - 1_000);
    }
    // Every one that was due is accounted for.
    expect(report.ok + report.failed).toBe(report.sent);
    expect(await from.stop()).toEqual(report);
  }, 60_000);

  it('ends by itself when nobody is there to hear it', async () => {
    const options = { name: `www.${ZONE}`, path: '/', rate: 50, dns: { address: ADDRESS }, port: 8_149 };
    const program = join(import.meta.dirname, 'load.main.ts');
    // Its stdin is at its end from the beginning, as when whoever started it was killed.
    const ran = await sh('ip', 'netns', 'exec', namespace.name, process.execPath, program, JSON.stringify(options));
    expect(JSON.parse(ran.stdout)).toMatchObject({ failed: 0, underWay: 0 });
  });
});
