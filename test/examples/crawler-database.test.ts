/** The crawler's database, by what it keeps its pages in: the same behaviour from each. */
import { existsSync } from 'node:fs';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putInPlace, takeAway } from './carry.ts';
import { endUnderLoad, lastOf, type Write } from './load.ts';
import { put, read, urlOf } from './pages.ts';
import { DATABASES, type Kind } from './servers.ts';
import { figure, type Options, type Program, rows, Stage, until } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('crawler');
});
afterEach(() => stage.close());

/** As a power cut may leave it: with the number of a process that is somebody else's by now. */
async function stalePid(file: string): Promise<void> {
  await until('the server has followed its program', () => !existsSync(file));
  await writeFile(file, `${process.pid}\n`);
}

for (const kind of DATABASES) describe.skipIf(!kind.here)(`the database on ${kind.title}`, () => behaves(kind));

function behaves(kind: Kind): void {
  const { suffix, unprivileged, ends } = kind;
  const file = `database${suffix}.js`;
  const start = (options: Options = {}) => stage.start('database', file, { unprivileged, ...options });
  const restarted = async (program: Program) => {
    await stage.remove(program);
    return start({ cell: program.cell, folder: program.folder });
  };

  it('keeps pages, finds them by words, and of two versions keeps the later one', async () => {
    const database = await start();
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

  it('has every page it acknowledged after being killed, whatever the crash left at the end', async () => {
    const database = await start();
    const { acknowledged, code } = await endUnderLoad(database, 'SIGKILL', write);
    expect(code).toBe('SIGKILL');
    if (suffix === '') await appendFile(join(database.folder, 'data/pages.jsonl'), '{"url":"http://half');
    else await stalePid(join(database.folder, 'postgres/postmaster.pid'));
    const again = await start({ folder: database.folder });
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/metrics'), 'pages')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect((await read(again, n)).status).toBe(200);
    expect((await put(again, 100_000, 'after')).status).toBe(200);
    const third = await restarted(again);
    expect((await read(third, 100_000)).status).toBe(200);
  });

  it('answers every write that is under way when it is ended', async () => {
    const database = await start();
    const outcome = await endUnderLoad(database, 'SIGTERM', write);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(ends);
    const again = await start({ folder: database.folder });
    for (const n of lastOf(outcome.acknowledged)) expect((await read(again, n)).status).toBe(200);
  });

  it('ends in time though a client never comes to the end of its writing', async () => {
    const database = await start();
    const { hostname, port } = new URL(database.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    socket.write('PUT /pages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await until('the request is under way', async () => figure(await database.get('/metrics'), 'inFlight') === 1);
    const began = Date.now();
    expect(await database.stop('SIGTERM')).toBe(0);
    expect(Date.now() - began).toBeLessThan(ends);
    socket.destroy();
  });

  it('writes its file anew when most of it is history, and loses nothing by it', async () => {
    const database = await start();
    for (let round = 0; round < 8; round++) {
      const batch = Array.from({ length: 400 }, (_, i) => ({
        url: urlOf(i % 100),
        title: 't',
        text: `r${round}`,
        at: round * 1_000 + i,
      }));
      expect((await database.send('POST', '/merge', batch)).status).toBe(200);
    }
    const again = await restarted(database);
    expect(figure(await again.get('/metrics'), 'pages')).toBe(100);
    expect((await read(again, 99)).json).toMatchObject({ text: 'r7' });
  });

  describe('with a replica that comes home', () => {
    async function comeHome(home: Program, replica: Program): Promise<string> {
      const from = await takeAway(stage, kind, replica);
      await stage.hook(home, [`merge${suffix}.js`], { CELL_FROM: from, CELL_DUMP: from });
      // Killed in between, it is run again.
      const said = await stage.hook(home, [`merge${suffix}.js`], { CELL_FROM: from, CELL_DUMP: from });
      await rm(from, { recursive: true });
      return said;
    }

    it('takes its pages over, the later version of each', async () => {
      const home = await start();
      const replica = await start({ cell: 'brave-owl' });
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
      await merged(await restarted(home));
    });

    it('takes them over at its next start, when it is not running', async () => {
      const home = await start();
      const replica = await start({ cell: 'brave-owl' });
      await put(home, 1, 'home', 2_000);
      await put(replica, 1, 'replica', 1_000);
      await put(replica, 3, 'only in the replica');
      await stage.remove(home);
      await comeHome(home, replica);
      const again = await start({ folder: home.folder });
      expect((await read(again, 1)).json).toMatchObject({ text: 'home' });
      expect((await read(again, 3)).status).toBe(200);
    });
  });

  it('moves to a new home, in the place of what was left there, and goes on', async () => {
    const [old, fresh] = [await start(), await start({ cell: 'brave-owl' })];
    for (const n of [1, 2]) await put(old, n, `spore ${n}`);
    await put(fresh, 3, 'left by an attempt that was broken off');
    await stage.remove(fresh);
    const from = await takeAway(stage, kind, old);
    await putInPlace(stage, kind, from, fresh);
    // Killed before the cell has noted that it is done, it is done again.
    await putInPlace(stage, kind, from, fresh);
    const moved = await start({ cell: 'brave-owl', folder: fresh.folder });
    expect(rows(await moved.get('/search?q=spore'), 'pages')).toHaveLength(2);
    expect((await read(moved, 3)).status).toBe(404);
    expect((await put(moved, 4, 'and goes on there')).status).toBe(200);
  });
}
