/** The crawler's programs, each as a process: what they serve and keep, and how they work together. */
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad, killAndRestart, lastOf, type Write } from './load.ts';
import { figure, type Program, rows, Stage, until } from './stage.ts';

const WWW = { domain: 'www.crawler.test' };
const API = { domain: 'api.crawler.test' };
const urlOf = (n: number) => `http://www.crawler.test/site/page/${n}`;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('crawler');
});
afterEach(() => stage.close());

const put = (database: Program, n: number, text: string, at = 1_000) =>
  database.send('PUT', '/pages', { url: urlOf(n), title: `Page ${n}`, text, at });
const read = (database: Program, n: number) => database.get(`/pages?url=${encodeURIComponent(urlOf(n))}`);

describe('the database', () => {
  it('keeps pages, finds them by words, and of two versions keeps the later one', async () => {
    const database = await stage.start('database', 'database.js');
    await put(database, 1, 'a spore in the garden');
    await put(database, 2, 'spore spore spore');
    await put(database, 2, 'an older text', 500);
    const found = await database.get('/search?q=Spore');
    expect(rows(found, 'pages').map(({ url }) => url)).toEqual([urlOf(2), urlOf(1)]);
    expect(rows(await database.get('/search?q=spore+garden'), 'pages')).toHaveLength(1);
    expect(rows(await database.get('/search?q=older'), 'pages')).toHaveLength(0);
    await put(database, 2, 'roots only', 2_000);
    expect(rows(await database.get('/search?q=spore'), 'pages')).toHaveLength(1);
    expect((await read(database, 9)).status).toBe(404);
    expect((await database.send('PUT', '/pages', { url: 'nonsense' })).status).toBe(400);
  });

  const write: Write = (n) => ({ method: 'PUT', path: '/pages', json: { url: urlOf(n), title: `${n}`, text: 'x' } });

  it('has every page it acknowledged after being killed, even with half a line at the end', async () => {
    const database = await stage.start('database', 'database.js');
    const { acknowledged, code } = await endUnderLoad(database, 'SIGKILL', write);
    expect(code).toBe('SIGKILL');
    await appendFile(join(database.folder, 'data/pages.jsonl'), '{"url":"http://half');
    const again = await stage.start('database', 'database.js', { folder: database.folder });
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/metrics'), 'pages')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect((await read(again, n)).status).toBe(200);
    expect((await put(again, 100_000, 'after')).status).toBe(200);
    const third = await restarted(again, 'database.js');
    expect((await read(third, 100_000)).status).toBe(200);
  });

  it('answers every write that is under way when it is ended', async () => {
    const database = await stage.start('database', 'database.js');
    const outcome = await endUnderLoad(database, 'SIGTERM', write);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(2_000);
    const again = await stage.start('database', 'database.js', { folder: database.folder });
    for (const n of lastOf(outcome.acknowledged)) expect((await read(again, n)).status).toBe(200);
  });

  it('ends in time though a client never comes to the end of its writing', async () => {
    const database = await stage.start('database', 'database.js');
    const { hostname, port } = new URL(database.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    socket.write('PUT /pages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await until('the request is under way', async () => figure(await database.get('/metrics'), 'inFlight') === 1);
    const began = Date.now();
    expect(await database.stop('SIGTERM')).toBe(0);
    expect(Date.now() - began).toBeLessThan(2_000);
    socket.destroy();
  });

  it('writes its file anew when most of it is history, and loses nothing by it', async () => {
    const database = await stage.start('database', 'database.js');
    for (let round = 0; round < 8; round++) {
      const batch = Array.from({ length: 400 }, (_, i) => ({
        url: urlOf(i % 100),
        title: 't',
        text: `r${round}`,
        at: round * 1_000 + i,
      }));
      expect((await database.send('POST', '/merge', batch)).status).toBe(200);
    }
    const again = await restarted(database, 'database.js');
    expect(figure(await again.get('/metrics'), 'pages')).toBe(100);
    expect((await read(again, 99)).json).toMatchObject({ text: 'r7' });
  });

  describe('with a replica that comes home', () => {
    async function comeHome(home: Program, replica: Program): Promise<string> {
      await stage.remove(replica);
      const from = await mkdtemp(join(stage.root, 'from-'));
      await cp(join(replica.folder, 'data'), join(from, 'data'), { recursive: true });
      const said = await stage.hook(home, ['merge.js'], { CELL_FROM: from });
      await rm(from, { recursive: true });
      return said;
    }

    it('takes its pages over, the later version of each', async () => {
      const home = await stage.start('database', 'database.js');
      const replica = await stage.start('database', 'database.js', { cell: 'brave-owl' });
      await put(home, 1, 'old at home', 1_000);
      await put(replica, 1, 'new in the replica', 2_000);
      await put(home, 2, 'new at home', 2_000);
      await put(replica, 2, 'old in the replica', 1_000);
      await put(replica, 3, 'only in the replica');
      expect(await comeHome(home, replica)).toContain('merged 3 pages');
      const merged = async (program: Program) => {
        expect((await read(program, 1)).json).toMatchObject({ text: 'new in the replica' });
        expect((await read(program, 2)).json).toMatchObject({ text: 'new at home' });
        expect((await read(program, 3)).json).toMatchObject({ text: 'only in the replica' });
      };
      await merged(home);
      await merged(await restarted(home, 'database.js'));
    });

    it('takes them over at its next start, when it is not running', async () => {
      const home = await stage.start('database', 'database.js');
      const replica = await stage.start('database', 'database.js', { cell: 'brave-owl' });
      await put(home, 1, 'home', 2_000);
      await put(replica, 1, 'replica', 1_000);
      await put(replica, 3, 'only in the replica');
      await stage.remove(home);
      await comeHome(home, replica);
      const again = await stage.start('database', 'database.js', { folder: home.folder });
      expect((await read(again, 1)).json).toMatchObject({ text: 'home' });
      expect((await read(again, 3)).status).toBe(200);
    });
  });
});

async function restarted(program: Program, file: string, env = {}): Promise<Program> {
  await stage.remove(program);
  return stage.start(program.name, file, { cell: program.cell, folder: program.folder, env });
}

describe('the queue', () => {
  const add = (queue: Program, ...numbers: number[]) =>
    queue.send('POST', '/messages', { messages: numbers.map((n) => ({ url: urlOf(n) })) });
  const lease = (queue: Program) => queue.send('POST', '/lease', {});

  it('hands each message to one, once, until it is acknowledged', async () => {
    const queue = await stage.start('queue', 'queue.js');
    expect((await add(queue, 1, 2, 1)).json).toEqual({ added: 2 });
    expect((await add(queue, 2)).json).toEqual({ added: 0 });
    const [a, b, none] = [await lease(queue), await lease(queue), await lease(queue)];
    expect([a.json, b.json]).toMatchObject([{ url: urlOf(1) }, { url: urlOf(2) }]);
    expect(none.status).toBe(204);
    expect((await queue.send('POST', '/ack', a.json)).status).toBe(200);
    expect((await queue.send('POST', '/ack', a.json)).status).toBe(409);
    expect((await queue.get('/stats')).json).toEqual({ messages: 1, due: 1, leased: 1, dead: 0 });
  });

  it('hands a message out again when nobody acknowledges it, and then takes the new lease only', async () => {
    const queue = await stage.start('queue', 'queue.js', { env: { VISIBILITY_MS: '150' } });
    await add(queue, 1);
    const first = await lease(queue);
    let second = await lease(queue);
    expect(second.status).toBe(204);
    await until('it is there again', async () => {
      second = await lease(queue);
      return second.status === 200;
    });
    expect(second.json).toMatchObject({ url: urlOf(1), attempts: 2 });
    expect((await queue.send('POST', '/ack', first.json)).status).toBe(409);
    expect((await queue.send('POST', '/ack', second.json)).status).toBe(200);
  });

  it('puts a message aside that never succeeds', async () => {
    const queue = await stage.start('queue', 'queue.js', { env: { VISIBILITY_MS: '1' } });
    await add(queue, 1);
    await until('it is put aside', async () => {
      await lease(queue);
      return figure(await queue.get('/stats'), 'dead') === 1;
    });
    expect((await lease(queue)).status).toBe(204);
  });

  it('hands a message out again after a time that the acknowledgement says', async () => {
    const queue = await stage.start('queue', 'queue.js');
    await add(queue, 1);
    const { json } = await lease(queue);
    await queue.send('POST', '/ack', { ...(json as object), again: 300 });
    expect((await lease(queue)).status).toBe(204);
    await until('it is due again', async () => (await lease(queue)).status === 200);
  });

  it('has every message it acknowledged after being killed', async () => {
    const queue = await stage.start('queue', 'queue.js');
    const write: Write = (n) => ({ method: 'POST', path: '/messages', json: { messages: [{ url: urlOf(n) }] } });
    const { acknowledged, again } = await killAndRestart(stage, queue, 'queue.js', write);
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/stats'), 'messages')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect((await add(again, n)).json).toEqual({ added: 0 });
  });

  it('does not bring back what was done when it starts anew', async () => {
    const queue = await stage.start('queue', 'queue.js');
    await add(queue, 1, 2);
    await queue.send('POST', '/ack', (await lease(queue)).json);
    const again = await restarted(queue, 'queue.js');
    expect((await lease(again)).json).toMatchObject({ url: urlOf(2) });
    expect((await lease(again)).status).toBe(204);
  });
});

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
