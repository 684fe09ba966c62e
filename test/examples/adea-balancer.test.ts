/** The notes' load balancer, by what does the balancing: the same behaviour from each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endUnderLoad, underLoad, type Write } from './load.ts';
import { BALANCERS, type Kind } from './servers.ts';
import { figure, type Options, type Program, rows, Stage, until } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('adea');
  await stage.start('database', 'database.js');
});
afterEach(() => stage.close());

for (const kind of BALANCERS) describe.skipIf(!kind.here)(`the balancer on ${kind.title}`, () => behaves(kind));

function behaves({ suffix, unprivileged, ends }: Kind): void {
  const start = async (options: Options = {}) => {
    const lb = await stage.start('lb', `lb${suffix}.js`, { domain: 'www.adea.test', unprivileged, ...options });
    await until('it balances', async () => (await lb.get('/')).status === 200);
    return lb;
  };
  const ui = (cell: string, folder?: string) => stage.start('ui', 'ui.js', { cell, ...(folder && { folder }) });
  const read: Write = () => ({ method: 'GET', path: '/', json: undefined });
  const keep: Write = (n) => ({ method: 'POST', path: '/notes', json: { title: `${n}` } });
  /** Who answers, when there is more to do than one does at once. */
  const answering = async (lb: Program) => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => fetch(lb.url)));
    await Promise.all(answers.map((answer) => answer.text()));
    return [...new Set(answers.map((answer) => answer.headers.get('x-ui-cell')))].sort();
  };
  const shared = (lb: Program, cells: readonly string[]) =>
    until(`${cells.join(' and ')} share the work`, async () => (await answering(lb)).join() === cells.join());

  it('gives each its share, takes a new one in, and no longer asks one that is not well', async () => {
    const a = await ui('amber-fox');
    const lb = await start();
    await shared(lb, ['amber-fox']);
    const b = await ui('brave-owl');
    await shared(lb, ['amber-fox', 'brave-owl']);
    expect(figure(await lb.get('/metrics'), 'uis')).toBe(2);
    stage.mark(a, false);
    await shared(lb, ['brave-owl']);
    stage.mark(a, true);
    await shared(lb, ['amber-fox', 'brave-owl']);
    await stage.remove(b);
    await shared(lb, ['amber-fox']);
  });

  it('fails no request while UIs come and go', async () => {
    const a = await ui('amber-fox');
    const lb = await start();
    const { acknowledged, lost } = await underLoad(lb, keep, async () => {
      for (const cell of ['brave-owl', 'calm-bee', 'deft-elk']) {
        await ui(cell);
        await until(`${cell} answers`, async () => (await answering(lb)).includes(cell));
      }
      stage.mark(a, false);
      await until('it is spared', async () => !(await answering(lb)).includes('amber-fox'));
    });
    expect(lost).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(10);
    expect((await lb.get('/health')).status).toBe(200);
  });

  it('asks another when one dies, and the dead one again when it is back', async () => {
    const [a] = [await ui('amber-fox'), await ui('brave-owl')];
    const lb = await start();
    await shared(lb, ['amber-fox', 'brave-owl']);
    const { acknowledged, lost } = await underLoad(lb, read, async () => {
      await a.stop('SIGKILL');
      await until('the other is left', async () => (await answering(lb)).join() === 'brave-owl');
    });
    expect(lost).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(5);
    await ui('amber-fox', a.folder);
    await shared(lb, ['amber-fox', 'brave-owl']);
  });

  it('asks one that is not well when there is no other, and says so when there is none at all', async () => {
    const a = await ui('amber-fox');
    const lb = await start();
    stage.mark(a, false);
    expect((await lb.get('/')).status).toBe(200);
    await stage.remove(a);
    await until('nobody answers', async () => (await lb.get('/')).status === 503);
    expect((await lb.get('/')).json).toEqual({ error: 'no UI answers at the moment' });
    expect((await lb.get('/health')).status).toBe(200);
  });

  it('answers every request that is under way when it is ended', async () => {
    await ui('amber-fox');
    const lb = await start();
    const outcome = await endUnderLoad(lb, 'SIGTERM', read);
    expect(outcome.acknowledged.length).toBeGreaterThan(5);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(ends);
  });

  it('is there again after being killed, and tells the log who asked for what', async () => {
    await ui('amber-fox');
    const log = await stage.start('log', 'log.js');
    const lb = await start();
    await endUnderLoad(lb, 'SIGKILL', read);
    const again = await start({ folder: lb.folder });
    await again.get('/notes/"odd"%0A?q=not+told');
    const logged = async () => rows(await log.get('/lines?q=odd'), 'lines');
    await until('the log knows', async () => (await logged()).length === 1);
    const [line] = await logged();
    expect(line).toMatchObject({
      method: 'GET',
      path: '/notes/%22odd%22%0A',
      status: 404,
      cell: 'amber-fox',
      level: 'info',
    });
    expect(Number(line?.ms)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(Date.now() - Number(line?.at))).toBeLessThan(60_000);
    expect(rows(await log.get('/lines?q=/health'), 'lines')).toEqual([]);
    expect(figure(await again.get('/metrics'), 'dropped')).toBe(0);
  });
}
