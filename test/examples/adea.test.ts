/** The notes example: load balancer, UI, replicated database, search and log, each as a process. */
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad, killAndRestart, lastOf, type Write } from './load.ts';
import { figure, type Program, rows, Stage, until } from './stage.ts';

const QUICK = { REPLICATE_EVERY_MS: '30', FOLLOW_EVERY_MS: '30' };

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('adea');
});
afterEach(() => stage.close());

const database = (cell: string, folder?: string) =>
  stage.start('database', 'database.js', { cell, env: QUICK, ...(folder && { folder }) });
const put = (program: Program, key: string, title: string) => program.send('PUT', `/items/${key}`, { title });
const remove = (program: Program, key: string) => program.send('DELETE', `/items/${key}`, {});
const titleOf = async (program: Program, key: string) => {
  const { status, json } = await program.get(`/items/${key}`);
  return status === 200 ? (json as { value: { title: string } }).value.title : null;
};
const has = (program: Program, key: string, title: string | null) =>
  until(`${program.cell} has ${key}: ${title}`, async () => (await titleOf(program, key)) === title);
const link = (from: Program, to: Program, direction = 'up') =>
  stage.hook(from, ['link.js', direction], { CELL_PEER: to.cell, CELL_PEER_URL: to.url });

describe('the database', () => {
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
    const { acknowledged, again } = await killAndRestart(stage, await database('amber-fox'), 'database.js', write);
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/metrics'), 'items')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect(await titleOf(again, `k${n}`)).toBe(`${n}`);
  });

  it('answers every writing that is under way when it is ended', async () => {
    const outcome = await endUnderLoad(await database('amber-fox'), 'SIGTERM', write);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(2_000);
  });
});

describe('replication', () => {
  it('begins with the link, passes changes along a chain both ways, and ends with the link', async () => {
    const [a, b, c] = [await database('amber-fox'), await database('brave-owl'), await database('calm-bee')];
    await put(a, 'before', 'A');
    await Promise.all([link(a, b), link(b, a), link(b, c), link(c, b)]);
    await has(c, 'before', 'A');
    await put(c, 'back', 'C');
    await has(a, 'back', 'C');
    await put(a, 'back', 'A after C');
    await has(c, 'back', 'A after C');
    await remove(b, 'before');
    await has(a, 'before', null);
    await has(c, 'before', null);
    await link(c, b, 'down');
    await until('the link is down', async () => !(await c.get('/metrics')).text.includes('brave-owl'));
    await put(a, 'late', 'not for c');
    await has(b, 'late', 'not for c');
    expect(await titleOf(c, 'late')).toBeNull();
    await link(c, b);
    await has(c, 'late', 'not for c');
  });

  it('agrees on one of two writings at once', async () => {
    const [a, b] = [await database('amber-fox'), await database('brave-owl')];
    await Promise.all([put(a, 'same', 'from a'), put(b, 'same', 'from b')]);
    await Promise.all([link(a, b), link(b, a)]);
    await until('both have the same', async () => (await titleOf(a, 'same')) === (await titleOf(b, 'same')));
    await put(a, 'other', 'from a');
    await has(b, 'other', 'from a');
    expect(await titleOf(a, 'same')).toBe(await titleOf(b, 'same'));
  });

  it('goes on with a copy of its data on another cell, though both began with one history', async () => {
    const a = await database('amber-fox');
    await put(a, 'common', 'A');
    await a.stop('SIGTERM');
    const folder = await mkdtemp(join(stage.root, 'copy-'));
    await cp(join(a.folder, 'data'), join(folder, 'data'), { recursive: true });
    const [home, copy] = [await database('amber-fox', a.folder), await database('brave-owl', folder)];
    expect(await titleOf(copy, 'common')).toBe('A');
    await Promise.all([link(home, copy), link(copy, home)]);
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
  await stage.remove(replica);
  if (how === 'not running') await stage.remove(home);
  expect(await stage.hook(home, ['merge.js'], { CELL_FROM: replica.folder })).toContain('merged 3 items');
  const merged = how === 'running' ? home : await database('amber-fox', home.folder);
  expect(await titleOf(merged, 'both')).toBe('home, later');
  expect(await titleOf(merged, 'new')).toBe('only in the replica');
  expect(await titleOf(merged, 'gone')).toBeNull();
  expect(figure(await (await restart(merged)).get('/metrics'), 'items')).toBe(2);
});

describe('the search', () => {
  const find = async (search: Program, q: string) =>
    rows(await search.get(`/search?q=${q}`), 'found').map(({ key }) => key);

  it('follows the database, deletions too, and keeps what it took over a restart', async () => {
    const a = await database('amber-fox');
    const search = await stage.start('search', 'search.js', { env: QUICK });
    await put(a, 'one', 'Red leaf');
    await put(a, 'two', 'Green leaf');
    await until('both are found', async () => (await find(search, 'leaf')).length === 2);
    expect(await find(search, 'red+leaf')).toEqual(['one']);
    await put(a, 'one', 'Blue stem');
    await until('the old words are gone', async () => (await find(search, 'leaf')).join() === 'two');
    await remove(a, 'two');
    await until('it is gone', async () => (await find(search, 'leaf')).length === 0);
    await stage.remove(a);
    await search.stop('SIGKILL');
    const again = await stage.start('search', 'search.js', { folder: search.folder, env: QUICK });
    expect(await find(again, 'stem')).toEqual(['one']);
  });
});

describe('the log', () => {
  const add = (log: Program, ...lines: object[]) => log.send('POST', '/lines', { lines });

  it('keeps lines and answers by level, time and text', async () => {
    const log = await stage.start('log', 'log.js');
    await add(log, { at: 1, level: 'info', path: '/a' }, { at: 2, level: 'error', path: '/b' }, { at: 3, path: '/c' });
    const paths = async (query: string) => rows(await log.get(`/lines?${query}`), 'lines').map(({ path }) => path);
    expect(await paths('level=error')).toEqual(['/b']);
    expect(await paths('since=2')).toEqual(['/b', '/c']);
    expect(await paths('q=/c')).toEqual(['/c']);
    expect(await paths('limit=1')).toEqual(['/c']);
    expect((await log.send('POST', '/lines', { lines: 'no' })).status).toBe(400);
  });

  it('never takes more than two files', async () => {
    const log = await stage.start('log', 'log.js', { env: { MAX_BYTES: '2000' } });
    for (let n = 0; n < 60; n++) await add(log, { n, text: 'x'.repeat(100) });
    const kept = rows(await log.get('/lines?limit=1000'), 'lines').map(({ n }) => Number(n));
    expect(kept.at(-1)).toBe(59);
    expect(kept.length).toBeGreaterThan(10);
    expect(kept.length).toBeLessThan(45);
  });

  it('has every line it acknowledged after being killed', async () => {
    const write: Write = (n) => ({ method: 'POST', path: '/lines', json: { lines: [{ n }] } });
    const { acknowledged, again } = await killAndRestart(stage, await stage.start('log', 'log.js'), 'log.js', write);
    expect(acknowledged.length).toBeGreaterThan(20);
    // Asked for one by one: a fast disk keeps more lines than one answer may have.
    for (const n of lastOf(acknowledged)) {
      const found = rows(await again.get(`/lines?q=${encodeURIComponent(`"n":${n}}`)}`), 'lines');
      expect(found.map((line) => line.n)).toEqual([n]);
    }
  });
});

it('the whole keeps a note through one UI and shows it through another, and logs who asked', async () => {
  const [a, b] = [await database('amber-fox'), await database('brave-owl')];
  await Promise.all([link(a, b), link(b, a)]);
  await stage.start('search', 'search.js', { env: QUICK });
  const log = await stage.start('log', 'log.js');
  const uiA = await stage.start('ui', 'ui.js');
  await stage.start('ui', 'ui.js', { cell: 'brave-owl' });
  const lb = await stage.start('lb', 'lb.js', { domain: 'www.adea.test' });

  const kept = await lb.send('POST', '/notes', { title: 'Seeds', body: 'to <sow>' });
  expect(kept.status).toBe(201);
  const { key } = kept.json as { key: string };
  await has(b, key, 'Seeds');
  await has(a, key, 'Seeds');
  const page = await lb.get(`/notes/${key}`);
  expect(page.text).toContain('Seeds');
  expect(page.text).not.toContain('<sow>');
  expect((await lb.get('/')).text).toContain('Seeds');
  expect((await lb.get('/notes/nothing')).status).toBe(404);
  expect((await lb.send('POST', '/notes', {})).status).toBe(400);
  await until('it is found', async () => (await lb.get('/search?q=seeds')).text.includes('Seeds'));

  const form = await fetch(`${lb.url}/notes`, {
    method: 'POST',
    body: new URLSearchParams({ title: 'Bulbs' }),
    redirect: 'manual',
  });
  expect(form.status).toBe(303);
  expect((await lb.get(form.headers.get('location') ?? '')).text).toContain('Bulbs');

  // One at a time goes to the first; two UIs get their share when there is more to do at once.
  const cells = new Set<string | null>();
  await until('both UIs have answered', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(lb.url)));
    for (const answer of answers) cells.add(answer.headers.get('x-ui-cell'));
    return cells.size === 2;
  });
  await uiA.stop('SIGKILL');
  const after = await Promise.all(Array.from({ length: 8 }, () => lb.get('/')));
  expect(after.every(({ status }) => status === 200)).toBe(true);
  await until('the log knows', async () => rows(await log.get(`/lines?q=/notes/${key}`), 'lines').length > 0);
  expect(rows(await log.get(`/lines?q=/notes/${key}`), 'lines')[0]).toMatchObject({ method: 'GET', status: 200 });
});
