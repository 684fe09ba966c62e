/** The crawler's queue, by what it keeps its messages in: the same behaviour from each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad, killAndRestart, lastOf, type Write } from './load.ts';
import { urlOf } from './pages.ts';
import { type Kind, QUEUES } from './servers.ts';
import { figure, type Options, type Program, Stage, until } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('crawler');
});
afterEach(() => stage.close());

for (const kind of QUEUES) describe.skipIf(!kind.here)(`the queue on ${kind.title}`, () => behaves(kind));

function behaves({ suffix, unprivileged, ends }: Kind): void {
  const file = `queue${suffix}.js`;
  const start = (options: Options = {}) => stage.start('queue', file, { unprivileged, ...options });
  const add = (queue: Program, ...numbers: number[]) =>
    queue.send('POST', '/messages', { messages: numbers.map((n) => ({ url: urlOf(n) })) });
  const lease = (queue: Program) => queue.send('POST', '/lease', {});

  it('hands each message to one, once, until it is acknowledged', async () => {
    const queue = await start();
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
    const queue = await start({ env: { VISIBILITY_MS: '150' } });
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
    const queue = await start({ env: { VISIBILITY_MS: '1' } });
    await add(queue, 1);
    await until('it is put aside', async () => {
      await lease(queue);
      return figure(await queue.get('/stats'), 'dead') === 1;
    });
    expect((await lease(queue)).status).toBe(204);
  });

  it('hands a message out again after a time that the acknowledgement says', async () => {
    const queue = await start();
    await add(queue, 1);
    const { json } = await lease(queue);
    await queue.send('POST', '/ack', { ...(json as object), again: 300 });
    expect((await lease(queue)).status).toBe(204);
    await until('it is due again', async () => (await lease(queue)).status === 200);
  });

  it('has every message it acknowledged after being killed', async () => {
    const queue = await start();
    const write: Write = (n) => ({ method: 'POST', path: '/messages', json: { messages: [{ url: urlOf(n) }] } });
    const { acknowledged, again } = await killAndRestart(stage, queue, file, write, { unprivileged });
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/stats'), 'messages')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect((await add(again, n)).json).toEqual({ added: 0 });
  });

  it('does not bring back what was done when it starts anew', async () => {
    const queue = await start();
    await add(queue, 1, 2);
    await queue.send('POST', '/ack', (await lease(queue)).json);
    await stage.remove(queue);
    const again = await start({ folder: queue.folder });
    expect((await lease(again)).json).toMatchObject({ url: urlOf(2) });
    expect((await lease(again)).status).toBe(204);
  });

  it('answers everything that is under way when it is ended, and is there again with all of it', async () => {
    const queue = await start();
    const write: Write = (n) => ({ method: 'POST', path: '/messages', json: { messages: [{ url: urlOf(n) }] } });
    const outcome = await endUnderLoad(queue, 'SIGTERM', write);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(ends);
    const again = await start({ folder: queue.folder });
    for (const n of lastOf(outcome.acknowledged)) expect((await add(again, n)).json).toEqual({ added: 0 });
  });
}
