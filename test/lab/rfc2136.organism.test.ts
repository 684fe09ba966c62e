/**
 * A whole organism in a zone of a real server, with a key that may change its own names only: seeded while the server is
 * down, gone on with when it is back, divided, and taken apart; the zone is then what it was before.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { plant } from '../e2e/garden.ts';
import { newKey, startBind, startKnot } from './nameservers.ts';
import { BIND, KNOT, needs } from './needs.ts';

const [ZONE, NAME] = ['small.test', 'www.small.test'];

describe.each([
  { title: 'an organism in a zone of Knot', needed: KNOT, start: startKnot },
  { title: 'an organism in a zone of BIND', needed: BIND, start: startBind },
])('$title', ({ title, needed, start }) => {
  test.skipIf(needs(title, needed))('is seeded, divides and goes', async ({ onTestFinished }) => {
    const key = newKey('small-key', 'hmac-sha256', { zone: ZONE, domains: [NAME] });
    const keys = mkdtempSync(join(tmpdir(), 'cell-keys-'));
    onTestFinished(() => rmSync(keys, { recursive: true, force: true }));
    const secret = join(keys, 'tsig');
    writeFileSync(secret, key.secret, { mode: 0o600 });
    const garden = await plant('small', 'genome.yaml', (text) =>
      text
        .replace('  provider: local\n  port:', '  provider: rfc2136\n  server: 127.0.0.1\n  port:')
        .replace(/\n {2}ttl: .*/, `\n  ttl: 1s\n  key: ${key.name}\n  credentials: file:${secret}`),
    );
    const server = await start({
      zone: ZONE,
      address: '127.0.0.1',
      port: garden.dnsPort,
      keys: [key],
      records: ['mail A 203.0.113.2', 'www MX 10 mail'],
    });
    onTestFinished(async () => {
      await garden.close();
      await server.stop();
    });
    const before = await server.dump();

    await server.kill();
    const down = await garden.cell('seed', '--yes');
    expect(down.code).toBe(1);
    expect(down.stderr).toContain(`The DNS server at 127.0.0.1 port ${garden.dnsPort} does not answer`);
    await server.restart();
    const up = await garden.cell('seed', '--yes');
    expect(up.code, up.stderr).toBe(0);
    expect(await garden.addresses(NAME)).toHaveLength(1);

    const [first] = (await garden.status()).cells;
    const divided = await garden.cell('ssh', first!.name, '--', 'cell', 'divide', '--now', 'web');
    expect(divided.code, divided.stderr).toBe(0);
    const { cells } = await garden.until('a child', (status) => status.cells.length === 2, 60_000);
    expect([...(await garden.addresses(NAME))].sort()).toEqual(cells.map(({ address }) => address).sort());

    const gone = await garden.cell('destroy', '--yes');
    expect(gone.code, gone.stderr).toBe(0);
    expect(await server.dump()).toEqual(before);
    const said = [down, up, divided, gone].map(({ stdout, stderr }) => stdout + stderr).join();
    expect(said).not.toContain(key.secret);
  });
});
