/** The notes example: search, log, and the whole with load balancer, UIs and replicated databases, each as a process. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { killAndRestart, lastOf, type Write } from './load.ts';
import { has, link, put, QUICK, remove } from './notes.ts';
import { HAPROXY, JOURNAL, type Kind, PLAIN, POSTGRES } from './servers.ts';
import { type Program, rows, Stage, until } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('adea');
});
afterEach(() => stage.close());

const database = (cell: string, folder?: string) =>
  stage.start('database', 'database.js', { cell, env: QUICK, ...(folder && { folder }) });

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

const WHOLES = [
  [PLAIN, JOURNAL],
  [HAPROXY, POSTGRES],
] as const;

for (const [balancer, kind] of WHOLES) {
  const title = `the whole, balanced by ${balancer.title} over ${kind.title}, keeps a note through one UI and shows it through another`;
  it.skipIf(!balancer.here || !kind.here)(title, () => wholeOf(balancer, kind));
}

async function wholeOf(balancer: Kind, kind: Kind): Promise<void> {
  const database = (cell: string) =>
    stage.start('database', `database${kind.suffix}.js`, { cell, env: QUICK, unprivileged: kind.unprivileged });
  const [a, b] = [await database('amber-fox'), await database('brave-owl')];
  await Promise.all([link(stage, a, b), link(stage, b, a)]);
  await stage.start('search', 'search.js', { env: QUICK });
  const log = await stage.start('log', 'log.js');
  await stage.start('ui', 'ui.js');
  await stage.start('ui', 'ui.js', { cell: 'brave-owl' });
  const lb = await stage.start('lb', `lb${balancer.suffix}.js`, {
    domain: 'www.adea.test',
    unprivileged: balancer.unprivileged,
  });

  await until('it balances', async () => (await lb.get('/')).status === 200);
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

  await until('the log knows', async () => rows(await log.get(`/lines?q=/notes/${key}`), 'lines').length > 0);
  expect(rows(await log.get(`/lines?q=/notes/${key}`), 'lines')[0]).toMatchObject({ method: 'GET', status: 200 });
}
