/**
 * The notes on real machines, behind a real HAProxy and in linked PostgreSQL databases: they grow under load, lose a machine
 * and none of the notes, and shrink again.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Status, StatusCell } from '../../../src/status.ts';
import type { DistantLoad } from '../load.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';
import { homesOf, type LabOrganism, plantOnBox } from './organisms.ts';

const OCTET = 151;
const MINUTE = 60_000;
/** Beats that a systemd timer keeps; cron has its turn with the crawler. */
const EDITS = [
  [/heartbeat: \S+/, 'heartbeat: 10s'],
  [/maxCells: \d+/, 'maxCells: 2'],
  [/settle: \S+/, 'settle: 1s'],
  [/hold: \S+/, 'hold: 5s'],
  [/refractory: \S+/, 'refractory: 10s'],
  [/calm: \S+/, 'calm: 10s'],
  [/jitter: \S+/, 'jitter: 1s'],
  [/suspectAfter: \S+/, 'suspectAfter: 30s'],
  [/deadAfter: \S+/, 'deadAfter: 50s'],
] as const;
const WWW = 'www.adea.test';

describe.skipIf(needs('the notes', NSPAWN, KNOT))('the notes on real machines', () => {
  let adea: LabOrganism;
  let load: DistantLoad;

  beforeAll(async () => {
    adea = await plantOnBox('adea', { octet: OCTET, quota: 2, ttlMs: 2_000, edits: EDITS });
    await adea.seed();
  }, 30 * MINUTE);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${await adea.diary()}\n`);
  }, MINUTE);
  afterAll(() => adea?.close(), 2 * MINUTE);

  const note = async (title: string) => {
    const { status, body } = await adea.ask(WWW, '/notes', JSON.stringify({ title, body: 'to sow' }));
    expect(status).toBe(201);
    return (JSON.parse(body) as { key: string }).key;
  };
  const isIn = async (cell: StatusCell, key: string) =>
    (await adea.fetchOn(cell, 7302, `/items/${key}`)).status === 200;
  const inEach = (cells: readonly StatusCell[], key: string) =>
    expect
      .poll(async () => (await Promise.all(cells.map((cell) => isIn(cell, key)))).every(Boolean), { timeout: MINUTE })
      .toBe(true);
  const grown = () =>
    adea.until('two healthy cells with a UI', (status) => healthy(status, 'ui').length === 2, 5 * MINUTE);
  const healthy = (status: Status, name: string) =>
    homesOf(status, name).filter((cell) => cell.functions.every((one) => one.health === 'healthy'));

  it('are balanced by HAProxy and kept in PostgreSQL', { timeout: 2 * MINUTE }, async () => {
    const [first] = (await adea.status()).cells as [StatusCell];
    const key = await note('Seeds');
    expect((await adea.ask(WWW, `/notes/${key}`)).body).toContain('Seeds');
    const servers = await adea.on(first, 'ps -eo user:20,comm');
    expect(servers).toMatch(/^cell-lb +haproxy$/m);
    expect(servers).toMatch(/^cell-database +postgres$/m);
  });

  it('grow under load: HAProxy shares the work, the databases are linked', { timeout: 6 * MINUTE }, async () => {
    const before = await note('Before');
    load = adea.load(WWW, '/', 75);
    const { cells } = await grown();
    await inEach(cells, before);
    await inEach(cells, await note('After'));
    const child = cells[1] as StatusCell;
    await expect
      .poll(
        async () => {
          const { body } = await adea.fetchOn(child, 7301, '/metrics');
          return (JSON.parse(body) as { rps: number }).rps;
        },
        { timeout: MINUTE, interval: 1_000 },
      )
      .toBeGreaterThan(5);
    const { failed, failures } = await load.report();
    expect({ failed, failures: failures.slice(0, 5) }).toEqual({ failed: 0, failures: [] });
  });

  it('lose a machine, and neither a note nor, for longer than a moment, an answer', {
    timeout: 8 * MINUTE,
  }, async () => {
    const [first, lost] = (await adea.status()).cells as [StatusCell, StatusCell];
    const key = await note('Through the night');
    await inEach([first, lost], key);
    await adea.cutPower(lost);
    await adea.until('the lost one is fenced', ({ cells }) => !cells.some(({ id }) => id === lost.id), 4 * MINUTE);
    expect(await isIn(first, key)).toBe(true);
    // The work is still too much for one.
    const { cells } = await grown();
    await inEach(cells, key);
    // HAProxy found out by its own checks, long before the cells did: only what was under way there could fail.
    const { failed, sent } = await load.report();
    expect(failed / sent).toBeLessThan(0.01);
  });

  it('shrink again, with all that was kept on the way', { timeout: 6 * MINUTE }, async () => {
    const [first, child] = (await adea.status()).cells as [StatusCell, StatusCell];
    load.rate(1);
    const before = (await load.report()).failed;
    // By way of the child alone, so that a link or the merging must have carried it.
    expect((await adea.fetchOn(child, 7302, '/items/last', '{"title":"Last"}')).status).toBe(200);
    const shrunk = await adea.until('one cell', (status) => status.cells.length === 1, 5 * MINUTE);
    expect(shrunk.cells[0]).toMatchObject({ id: first.id, budget: 1 });
    expect(await isIn(first, 'last')).toBe(true);
    expect((await load.stop()).failed).toBe(before);
    expect((await adea.ask(WWW, '/')).body).toContain('Seeds');
    expect(JSON.parse((await adea.cell('sweep', '--json')).stdout)).toEqual({ found: [], left: [] });
    expect((await adea.cell('destroy', '--yes')).code).toBe(0);
    expect(await adea.astray()).toEqual([]);
  });
});
