/** The crawler's programs, each as a process: what they serve and keep, and how they work together. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad } from './load.ts';
import { put, read, urlOf } from './pages.ts';
import { figure, type Program, rows, Stage, until } from './stage.ts';

const WWW = { domain: 'www.crawler.test' };
const API = { domain: 'api.crawler.test' };
let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('crawler');
});
afterEach(() => stage.close());

async function restarted(program: Program, file: string, env = {}): Promise<Program> {
  await stage.remove(program);
  return stage.start(program.name, file, { cell: program.cell, folder: program.folder, env });
}

describe('the API', () => {
  let database: Program;
  let queue: Program;
  let api: Program;
  beforeEach(async () => {
    [database, queue] = await Promise.all([stage.start('database', 'database.js'), stage.start('queue', 'queue.js')]);
    api = await stage.start('api', 'api.js', {
      ...API,
      env: { LONGEST_HOLD_MS: '4000', KEEP_MS: '50', PATIENCE_MS: '1000' },
    });
  });

  const took = async (asked: Promise<unknown>) => {
    const began = Date.now();
    await asked;
    return Date.now() - began;
  };
  const holding = (level: number) => async () => figure(await api.get('/metrics'), 'level') === level;

  it('plants the first page, hands it out, and takes the result', async () => {
    let message = await api.get('/next');
    await until('there is a message', async () => {
      if (message.status !== 200) message = await api.get('/next');
      return message.status === 200;
    });
    expect(message.json).toMatchObject({ url: urlOf(0) });
    const page = { url: urlOf(0), title: 'Zero', text: 'spore', at: 5, links: [urlOf(1), 'http://elsewhere.test/'] };
    const result = await api.send('POST', '/results', { ...(message.json as object), page });
    expect(result.json).toEqual({ stored: true, acknowledged: true });
    expect((await read(database, 0)).json).toMatchObject({ title: 'Zero' });
    expect((await api.get('/pages/0')).json).toMatchObject({ title: 'Zero' });
    expect(rows(await api.get('/search?q=spore'), 'pages')).toHaveLength(1);
    expect((await api.get('/next')).json).toMatchObject({ url: urlOf(1) });
    expect(figure(await queue.get('/stats'), 'messages')).toBe(2);
    expect((await api.get('/pages/77')).status).toBe(404);
  });

  it('holds messages back while it is throttled, and no longer than until it is relaxed', async () => {
    await queue.send('POST', '/messages', { messages: [1, 2, 3].map((n) => ({ url: urlOf(n) })) });
    expect(await took(api.get('/next'))).toBeLessThan(1_500);
    await stage.hook(api, ['throttle.js', '50']);
    await until('it is throttled', holding(50));
    expect(await took(api.get('/next'))).toBeGreaterThanOrEqual(2_000);
    await stage.hook(api, ['throttle.js', '100']);
    await until('it is throttled more', holding(100));
    const waits = took(api.get('/next'));
    await until('a message is held', async () => figure(await api.get('/metrics'), 'held') === 1);
    expect(await took(api.get('/search?q=x'))).toBeLessThan(2_000);
    await stage.hook(api, ['throttle.js', '0']);
    expect(await waits).toBeLessThan(3_500);
  });

  it('lets go of a held message at once when it is ended', async () => {
    await stage.hook(api, ['throttle.js', '100']);
    await until('it is throttled', holding(100));
    const held = api.get('/next');
    await until('a message is held', async () => figure(await api.get('/metrics'), 'held') === 1);
    expect(await took(api.stop('SIGTERM'))).toBeLessThan(2_000);
    expect((await held).status).toBe(204);
  });

  it('loses no search when it is ended under load', async () => {
    const outcome = await endUnderLoad(api, 'SIGTERM', (n) => ({
      method: 'GET',
      path: `/search?q=${n}`,
      json: undefined,
    }));
    expect(outcome.acknowledged.length).toBeGreaterThan(20);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
  });

  it('calls itself unhealthy when its database stays away, and is back with it', async () => {
    expect((await api.get('/health')).status).toBe(200);
    await stage.remove(database);
    await until('it is unhealthy', async () => (await api.get('/health')).status === 503);
    await stage.start('database', 'database.js', { folder: database.folder });
    await until('it is healthy', async () => (await api.get('/health')).status === 200);
  });

  it('finds in another database what its own does not have', async () => {
    const other = await stage.start('database', 'database.js', { cell: 'brave-owl' });
    await put(other, 5, 'pollen from afar');
    await until('where.json was read', async () => rows(await api.get('/search?q=pollen'), 'pages').length === 1);
    expect((await api.get('/pages/5')).json).toMatchObject({ text: 'pollen from afar' });
  });
});

it('the whole crawls its site, lists healthy APIs only, and redirects to a new one', async () => {
  const env = { PACE_MS: '30' };
  await stage.start('database', 'database.js');
  await stage.start('queue', 'queue.js');
  const front = await stage.start('front', 'front.js', { ...WWW, env: { SITE_PAGES: '30' } });
  await stage.start('checker', 'checker.js', { env: { EVERY_MS: '100' } });
  const first = await stage.start('api', 'api.js', API);
  const crawler = await stage.start('crawler', 'crawler.js', { env });
  const listed = async () => rows(await front.get('/apis'), 'apis').map(({ cell }) => cell);

  await until('the site is crawled', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => first.get(`/pages/${n}`)));
    return answers.every(({ status }) => status === 200);
  });
  expect(rows(await front.get('/search?q=the'), 'pages').length).toBeGreaterThan(0);
  expect(await listed()).toEqual(['amber-fox']);
  expect((await front.get('/site/page/30')).status).toBe(404);

  await stage.start('database', 'database.js', { cell: 'brave-owl' });
  await stage.start('queue', 'queue.js', { cell: 'brave-owl' });
  const second = await stage.start('api', 'api.js', { ...API, cell: 'brave-owl' });
  await until('the front lists both', async () => (await listed()).length === 2);
  await until('the crawler goes to both', async () => rows(await crawler.get('/apis'), 'apis').length === 2);
  await until('messages go through the new one', async () => figure(await second.get('/metrics'), 'rps') > 0);

  await stage.remove(first, 'SIGKILL');
  await until('the front lists the new one only', async () => (await listed()).join() === 'brave-owl');
  const through = await Promise.all(Array.from({ length: 10 }, () => front.get('/search?q=the')));
  expect(through.map(({ status }) => status)).toEqual(through.map(() => 200));
  expect((await front.get('/')).text).toContain('brave-owl');
});

it('the checker takes an API that hangs off the list, though where.json still has it', async () => {
  const checker = await stage.start('checker', 'checker.js', { env: { EVERY_MS: '50' } });
  const front = await stage.start('front', 'front.js', WWW);
  await stage.start('database', 'database.js');
  await stage.start('queue', 'queue.js');
  const api = await stage.start('api', 'api.js', API);
  const listed = async () => rows(await front.get('/apis'), 'apis').length;
  await until('it is listed', async () => (await listed()) === 1);
  await api.stop('SIGKILL');
  await until('it is no longer listed', async () => (await listed()) === 0);
  expect((await front.get('/search?q=x')).status).toBe(503);
  const changes = rows(await checker.get('/history'), 'changes').map(({ healthy }) => healthy);
  expect(changes).toEqual([true, false]);
  const again = await restarted(checker, 'checker.js');
  expect(rows(await again.get('/history'), 'changes').length).toBeGreaterThanOrEqual(2);
});
