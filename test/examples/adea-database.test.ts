/** The notes' database, by what it keeps its items in: the same behaviour from each, and from one of each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putInPlace, takeAway } from './carry.ts';
import { endUnderLoad, killAndRestart, lastOf, type Write } from './load.ts';
import { has, link, put, QUICK, remove, titleOf } from './notes.ts';
import { DATABASES, type Kind } from './servers.ts';
import { figure, type Program, rows, Stage, until } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('adea');
});
afterEach(() => stage.close());

for (const kind of DATABASES) describe.skipIf(!kind.here)(`the database on ${kind.title}`, () => behaves(kind));

function behaves(kind: Kind): void {
  const { suffix, unprivileged, ends } = kind;
  const file = `database${suffix}.js`;
  const database = (cell: string, folder?: string) =>
    stage.start('database', file, { cell, env: QUICK, unprivileged, ...(folder && { folder }) });

  describe('keeping', () => {
    const write: Write = (n) => ({ method: 'PUT', path: `/items/k${n}`, json: { title: `${n}` } });

    it('keeps, lists and deletes items', async () => {
      const a = await database('amber-fox');
      await put(a, 'one', 'One');
      await put(a, 'two', 'Two');
      await put(a, 'one', 'One again');
      await remove(a, 'two');
      expect(rows(await a.get('/items'), 'items')).toMatchObject([{ key: 'one', value: { title: 'One again' } }]);
      expect((await a.get('/items/two')).status).toBe(404);
      expect((await remove(a, 'two')).status).toBe(404);
      expect((await a.send('POST', '/merge', [{ key: 'x' }])).status).toBe(400);
    });

    it('has every item it acknowledged after being killed', async () => {
      const { acknowledged, again } = await killAndRestart(stage, await database('amber-fox'), file, write, {
        unprivileged,
        env: QUICK,
      });
      expect(acknowledged.length).toBeGreaterThan(20);
      expect(figure(await again.get('/metrics'), 'items')).toBeGreaterThanOrEqual(acknowledged.length);
      for (const n of lastOf(acknowledged)) expect(await titleOf(again, `k${n}`)).toBe(`${n}`);
    });

    it('answers every writing that is under way when it is ended', async () => {
      const outcome = await endUnderLoad(await database('amber-fox'), 'SIGTERM', write);
      expect(outcome.lost).toEqual([]);
      expect(outcome.code).toBe(0);
      expect(outcome.took).toBeLessThan(ends);
    });
  });

  describe('replication', () => {
    it('begins with the link, passes changes along a chain both ways, and ends with the link', async () => {
      const [a, b, c] = [await database('amber-fox'), await database('brave-owl'), await database('calm-bee')];
      await put(a, 'before', 'A');
      await Promise.all([link(stage, a, b), link(stage, b, a), link(stage, b, c), link(stage, c, b)]);
      await has(c, 'before', 'A');
      await put(c, 'back', 'C');
      await has(a, 'back', 'C');
      await put(a, 'back', 'A after C');
      await has(c, 'back', 'A after C');
      await remove(b, 'before');
      await has(a, 'before', null);
      await has(c, 'before', null);
      await link(stage, c, b, 'down');
      await until('the link is down', async () => !(await c.get('/metrics')).text.includes('brave-owl'));
      await put(a, 'late', 'not for c');
      await has(b, 'late', 'not for c');
      expect(await titleOf(c, 'late')).toBeNull();
      await link(stage, c, b);
      await has(c, 'late', 'not for c');
    });

    it('agrees on one of two writings at once', async () => {
      const [a, b] = [await database('amber-fox'), await database('brave-owl')];
      await Promise.all([put(a, 'same', 'from a'), put(b, 'same', 'from b')]);
      await Promise.all([link(stage, a, b), link(stage, b, a)]);
      await until('both have the same', async () => (await titleOf(a, 'same')) === (await titleOf(b, 'same')));
      await put(a, 'other', 'from a');
      await has(b, 'other', 'from a');
      expect(await titleOf(a, 'same')).toBe(await titleOf(b, 'same'));
    });

    it('goes on with a copy of its data on another cell, though both began with one history', async () => {
      const a = await database('amber-fox');
      await put(a, 'common', 'A');
      const empty = await database('brave-owl');
      await stage.remove(empty);
      await putInPlace(stage, kind, await takeAway(stage, kind, a), empty);
      const [home, copy] = [await database('amber-fox', a.folder), await database('brave-owl', empty.folder)];
      expect(await titleOf(copy, 'common')).toBe('A');
      await Promise.all([link(stage, home, copy), link(stage, copy, home)]);
      await put(home, 'h', 'from home');
      await put(copy, 'c', 'from the copy');
      await has(copy, 'h', 'from home');
      await has(home, 'c', 'from the copy');
      const again = await restart(home);
      await put(copy, 'd', 'more');
      await has(again, 'd', 'more');
    });

    it('takes all the databases that it knows when the hook is not told which', async () => {
      const [a, b] = [await database('amber-fox'), await database('brave-owl')];
      await put(b, 'x', 'from b');
      await stage.hook(a, ['link.js', 'up']);
      await has(a, 'x', 'from b');
      await stage.hook(a, ['link.js', 'down']);
      await until('no link is left', async () => (await a.get('/metrics')).text.includes('"links":[]'));
      await expect(stage.hook(a, ['link.js', 'sideways'])).rejects.toThrow('expected `up` or `down`');
    });
  });

  async function restart(program: Program): Promise<Program> {
    await stage.remove(program);
    return database(program.cell, program.folder);
  }

  it.each(['running', 'not running'])('the merge hook takes a replica over while the database is %s', async (how) => {
    const [home, replica] = [await database('amber-fox'), await database('brave-owl')];
    await put(replica, 'both', 'replica, earlier');
    await put(replica, 'gone', 'soon deleted');
    await remove(replica, 'gone');
    await put(replica, 'new', 'only in the replica');
    await put(home, 'both', 'home, later');
    const from = await takeAway(stage, kind, replica);
    if (how === 'not running') await stage.remove(home);
    expect(await stage.hook(home, [`merge${suffix}.js`], { CELL_FROM: from, CELL_DUMP: from })).toContain(
      'merged 3 items',
    );
    const merged = how === 'running' ? home : await database('amber-fox', home.folder);
    expect(await titleOf(merged, 'both')).toBe('home, later');
    expect(await titleOf(merged, 'new')).toBe('only in the replica');
    expect(await titleOf(merged, 'gone')).toBeNull();
    expect(figure(await (await restart(merged)).get('/metrics'), 'items')).toBe(2);
  });
}
