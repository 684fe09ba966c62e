/**
 * A whole organism in a zone of a real server, with a key that may change its own names only: seeded while the server is
 * down, gone on with when it is back, divided, and taken apart; the zone is then what it was before.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { shown } from '../../src/effects/dns/published.ts';
import { freePort } from '../../src/effects/services.ts';
import { listed, put, take } from '../../stacks/records/rfc2136.client.ts';
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

  test.skipIf(needs(`${title}, over IPv6`, needed))(
    'has a part of a larger zone, over IPv6',
    async ({ onTestFinished }) => {
      const part = { zone: 'sub.six.test', domains: ['www.sub.six.test'] };
      const key = newKey('part-key', 'hmac-sha384', part);
      const server = await start({ zone: 'six.test', address: '::1', port: await freePort('::1'), keys: [key] });
      onTestFinished(() => server.stop());
      const before = await server.dump();
      const credential = { ...server.credential(), zone: part.zone };
      const [name] = part.domains as [string];
      const want = { organism: 'o', birth: 'b1', zone: part.zone, name, values: ['2001:db8::5', '192.0.2.5'], ttl: 5 };
      await put(credential, want);
      expect(await shown(credential, name, 'AAAA')).toEqual(['2001:db8::5']);
      expect(await shown(credential, name, 'A')).toEqual(['192.0.2.5']);
      expect((await listed(credential, 'o')).map(({ id }) => id)).toEqual([`o/b1/${part.zone}/${name}`]);
      await take(credential, want);
      expect(await server.dump()).toEqual(before);
    },
  );
});
