/**
 * The crawler on real machines, with PostgreSQL and Redis, by cron alone: under load it grows from one cell to three, one
 * of them loses its power, the others heal and go home, and nothing is left behind that nobody knows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StatusCell } from '../../../src/status.ts';
import type { DistantLoad } from '../load.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';
import { homesOf, type LabOrganism, plantOnBox } from './organisms.ts';

const OCTET = 150;
const MINUTE = 60_000;
const TTL_MS = 2_000;
const DEAD_AFTER_MS = 130_000;
const FUNCTIONS = ['api', 'checker', 'crawler', 'database', 'front', 'queue'];
/** A beat a minute, which cron keeps; everything else as short as that allows, for a test has minutes and not days. */
const EDITS = [
  [/settle: \S+/, 'settle: 0s'],
  [/hold: \S+/, 'hold: 5s'],
  [/refractory: \S+/, 'refractory: 5s'],
  [/calm: \S+/, 'calm: 5s'],
  [/jitter: \S+/, 'jitter: 1s'],
  [/suspectAfter: \S+/, 'suspectAfter: 90s'],
  [/deadAfter: \S+/, `deadAfter: ${DEAD_AFTER_MS}ms`],
] as const;

describe.skipIf(needs('the crawler', NSPAWN, KNOT))('the crawler on real machines, by cron alone', () => {
  let crawler: LabOrganism;
  let load: DistantLoad;

  beforeAll(async () => {
    crawler = await plantOnBox('crawler', { octet: OCTET, quota: 3, ttlMs: TTL_MS, edits: EDITS });
    await crawler.seed();
  }, 30 * MINUTE);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${await crawler.diary()}\n`);
  }, MINUTE);
  afterAll(() => crawler?.close(), 2 * MINUTE);

  const pagesOf = async (cell: StatusCell) => {
    const { body } = await crawler.fetchOn(cell, 7003, '/metrics');
    return (JSON.parse(body) as { pages: number }).pages;
  };
  const page = (number: number) => `http://www.crawler.test/site/only/${number}`;
  const keep = async (cell: StatusCell, number: number) => {
    const body = JSON.stringify({ url: page(number), title: 'only here', text: `number${number}` });
    expect((await crawler.fetchOn(cell, 7003, '/pages', body)).status).toBe(200);
  };
  const has = async (cell: StatusCell, number: number) =>
    (await crawler.fetchOn(cell, 7003, `/pages?url=${encodeURIComponent(page(number))}`)).status === 200;

  it('is seeded, crawls, and is woken by cron', { timeout: 3 * MINUTE }, async () => {
    const { cells } = await crawler.status();
    const [first] = cells as [StatusCell];
    expect(cells).toHaveLength(1);
    await expect.poll(() => pagesOf(first), { timeout: MINUTE, interval: 1_000 }).toBeGreaterThan(20);
    expect((await crawler.ask('www.crawler.test', '/search?q=spore')).body).toContain('/site/page/');
    const clocks = await crawler.on(
      first,
      'cat /etc/cron.d/cell; systemctl list-timers --all --plain "cell*" --no-legend',
    );
    expect(clocks).toMatch(/^\* \* \* \* \* root /m);
    expect(clocks).not.toContain('.timer');
    // As users of their own, on no port.
    const servers = await crawler.on(first, 'ps -eo user:20,comm; ss -Hltn');
    expect(servers).toMatch(/^cell-database +postgres$/m);
    expect(servers).toMatch(/^cell-queue +redis-server$/m);
    expect(servers).not.toMatch(/:(?:5432|6379)\s/);
  });

  it('grows to three cells under load, and loses no request', { timeout: 9 * MINUTE }, async () => {
    load = crawler.load('api.crawler.test', '/search?q=cell', 130);
    let throttled = 0;
    const grown = await crawler.until(
      'three cells with the API',
      (status) => {
        throttled = Math.max(throttled, ...status.cells.flatMap((cell) => cell.functions.map((one) => one.throttle)));
        const healthy = homesOf(status, 'api').filter((cell) =>
          cell.functions.every((one) => one.health === 'healthy'),
        );
        return healthy.length === 3;
      },
      8 * MINUTE,
    );
    expect(throttled).toBeGreaterThan(0);
    expect(homesOf(grown, 'database')).toHaveLength(3);
    expect(homesOf(grown, 'queue')).toHaveLength(1);
    const addresses = grown.cells.map(({ address }) => address).sort();
    await expect
      .poll(async () => [...(await crawler.addresses('api.crawler.test'))].sort(), { timeout: MINUTE, interval: 1_000 })
      .toEqual(addresses);
    await expect
      .poll(async () => Object.keys((await load.report()).byAddress).sort(), { timeout: MINUTE, interval: 1_000 })
      .toEqual(addresses);
    // What the parent had went along as a dump.
    for (const cell of grown.cells) expect(await pagesOf(cell)).toBeGreaterThan(20);
    const { failed, failures } = await load.report();
    expect({ failed, failures: failures.slice(0, 5) }).toEqual({ failed: 0, failures: [] });
  });

  it('fences the one that loses its power, takes the other home, and keeps what it had', {
    timeout: 12 * MINUTE,
  }, async () => {
    const { cells } = await crawler.status();
    const [first, lost, child] = cells as [StatusCell, StatusCell, StatusCell];
    await keep(child, 1);
    load.rate(5);
    await crawler.cutPower(lost);
    const cutAt = Date.now();
    await crawler.until('the lost one is gone', (status) => !status.cells.some(({ id }) => id === lost.id), 7 * MINUTE);
    const fencedAt = Date.now();
    const [last] = (await crawler.until('one cell', (status) => status.cells.length === 1, 7 * MINUTE)).cells;
    expect(last).toMatchObject({ id: first.id, budget: 2 });
    expect(last?.functions.map(({ name }) => name).sort()).toEqual(FUNCTIONS);
    expect(await has(first, 1)).toBe(true);
    await expect
      .poll(() => crawler.addresses('api.crawler.test'), { timeout: MINUTE, interval: 1_000 })
      .toEqual([first.address]);

    // Nothing fails but what went to the lost one before everybody could know.
    await sleep(TTL_MS);
    const report = await load.stop();
    for (const { at, to } of report.failures) {
      expect(to).toBe(lost.address);
      expect(at).toBeGreaterThan(cutAt - 1_000);
      expect(at).toBeLessThan(fencedAt + TTL_MS + 5_000);
    }
    expect(fencedAt - cutAt).toBeGreaterThan(DEAD_AFTER_MS - MINUTE);
    expect(report.sent).toBeGreaterThan(5_000);
  });

  it('leaves nothing behind', { timeout: 3 * MINUTE }, async () => {
    const swept = await crawler.cell('sweep', '--json');
    expect(JSON.parse(swept.stdout)).toEqual({ found: [], left: [] });
    expect((await crawler.cell('destroy', '--yes')).code).toBe(0);
    expect(await crawler.astray()).toEqual([]);
  });
});
