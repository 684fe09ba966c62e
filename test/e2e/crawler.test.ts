/**
 * The acceptance of the whole: the crawler organism, under load from a client that knows a domain name only, goes from
 * one cell to three and back to one with no human action, no failed request, and nothing left behind.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Load, startLoad } from '../../src/load.ts';
import type { Status } from '../../src/status.ts';
import { type Garden, plant } from './garden.ts';

const GROW_MS = 150_000;
const SHRINK_MS = 150_000;

describe('the crawler organism', () => {
  let garden: Garden;
  let load: Load | null = null;

  beforeAll(async () => {
    garden = await plant('crawler', 'genome.demo.yaml');
  });
  afterAll(async () => {
    await load?.stop();
    await garden.close();
  });

  it(
    'goes from one cell to three and back to one by itself, and loses no request',
    async () => {
      const seeded = await garden.cell('seed', '--yes', '--json');
      expect(seeded.stderr).toContain('settle');
      expect(seeded.code).toBe(0);
      expect((await garden.status()).cells).toHaveLength(1);

      load = startLoad({
        domain: 'api.crawler.test',
        path: '/search?q=cell',
        rate: 160,
        dns: { address: '127.0.0.1', port: garden.dnsPort, ttlMs: 1_000 },
        httpPort: 8080,
        random: Math.random,
      });
      let throttled = 0;
      const grown = await garden.until(
        'three cells with the API',
        (status) => {
          throttled = Math.max(throttled, ...status.cells.flatMap((cell) => cell.functions.map((one) => one.throttle)));
          return homes(status, 'api').length === 3 && homes(status, 'database').length === 3;
        },
        GROW_MS,
      );
      // It throttled before it divided, and every home of the API answers in DNS.
      expect(throttled).toBeGreaterThan(0);
      await expect
        .poll(async () => [...(await garden.addresses('api.crawler.test'))].sort(), { timeout: 20_000 })
        .toEqual(grown.cells.map((cell) => cell.address).sort());
      await expect.poll(() => Object.keys(load?.report().byAddress ?? {}).length, { timeout: 20_000 }).toBe(3);
      // The front lists the APIs that report healthy.
      await expect
        .poll(async () => JSON.parse((await garden.ask('www.crawler.test', '/apis')).body), { timeout: 30_000 })
        .toSatisfy((listed: unknown) => JSON.stringify(listed).match(/127\.\d+\.\d+\.\d+/g)?.length === 3);

      load.rate(1);
      const shrunk = await garden.until('one cell', (status) => status.cells.length === 1, SHRINK_MS);
      expect(shrunk.cells[0]?.budget).toBe(2);
      expect(shrunk.cells[0]?.functions.map((one) => one.name).sort()).toEqual([
        'api',
        'checker',
        'crawler',
        'database',
        'front',
        'queue',
      ]);
      const report = await load.stop();
      load = null;
      expect(report.failures).toEqual([]);
      expect(report.failed).toBe(0);
      expect(report.sent).toBeGreaterThan(1_000);

      const swept = await garden.cell('sweep', '--json');
      expect(JSON.parse(swept.stdout)).toEqual({ found: [], left: [] });
      expect(swept.code).toBe(0);
    },
    GROW_MS + SHRINK_MS + 60_000,
  );

  it('leaves the computer as it was when it is destroyed', async () => {
    const { stdout, code } = await garden.cell('destroy', '--yes', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ organism: 'crawler' });
    expect(code).toBe(0);
    expect(existsSync(garden.home)).toBe(false);
    await expect.poll(() => garden.processes(), { timeout: 10_000 }).toEqual([]);
    const listening = readFileSync('/proc/net/tcp', 'utf8') + readFileSync('/proc/net/udp', 'utf8');
    expect(listening).not.toContain(`:${garden.dnsPort.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000`);
    expect(existsSync(join(garden.folder, 'genome.yaml'))).toBe(true);
  }, 60_000);
});

function homes(status: Status, name: string): readonly string[] {
  return status.cells.filter((cell) => cell.functions.some((one) => one.name === name)).map((cell) => cell.name);
}
