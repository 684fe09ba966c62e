/** The learning network: systems that keep items, know their siblings and cross-post to them wherever they are. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGenome } from '../../genome/read.ts';
import { endUnderLoad, killAndRestart, lastOf, type Write } from './load.ts';
import { EXAMPLES, figure, type Program, rows, Stage, until } from './stage.ts';

const { genome: GENOME } = await readGenome(join(EXAMPLES, 'elmsln/genome.yaml'));

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open('elmsln');
});
afterEach(() => stage.close());

/** A system as the genome has it, on a cell. */
function start(name: string, cell = 'amber-fox', folder?: string): Promise<Program> {
  const gene = GENOME.functions[name];
  if (gene === undefined) throw new Error(`the genome has no ${name}`);
  const env = Object.fromEntries(Object.entries(gene.env).map(([key, value]) => [key, String(value)]));
  const domain = gene.domain ?? '';
  return stage.start(name, 'system.js', { cell, domain, env: { ...env, RETRY_MS: '100' }, ...(folder && { folder }) });
}

const titles = async (program: Program, path: string) =>
  rows(await program.get(`/${path}`), path).map(({ title }) => title);

describe('a system', () => {
  it('keeps its own items and gives each back', async () => {
    const media = await start('media');
    const made = await media.send('POST', '/items', { id: 'leaf', title: 'A leaf', body: 'seen <close>' });
    expect(made.status).toBe(201);
    expect((await media.get('/items/leaf')).json).toMatchObject({ title: 'A leaf', kind: 'file', waiting: [] });
    expect((await media.send('POST', '/items', { id: 'leaf', title: 'Again' })).json).toMatchObject({
      title: 'A leaf',
    });
    expect((await media.get('/items/stem')).status).toBe(404);
    expect((await media.send('POST', '/items', { title: ' ' })).status).toBe(400);
    expect((await media.send('POST', '/items', { title: 'x', share: ['nobody'] })).status).toBe(400);
    const { text } = await media.get('/');
    expect(text).toContain('A leaf');
    expect(text).not.toContain('<close>');
  });

  const write: Write = (n) => ({ method: 'POST', path: '/items', json: { id: `i${n}`, title: `Number ${n}` } });

  it('has every item it acknowledged after being killed', async () => {
    const { acknowledged, again } = await killAndRestart(stage, await start('people'), 'system.js', write);
    expect(acknowledged.length).toBeGreaterThan(20);
    expect(figure(await again.get('/metrics'), 'items')).toBeGreaterThanOrEqual(acknowledged.length);
    for (const n of lastOf(acknowledged)) expect((await again.get(`/items/i${n}`)).status).toBe(200);
  });

  it('answers every writing that is under way when it is ended', async () => {
    const outcome = await endUnderLoad(await start('people'), 'SIGTERM', write);
    expect(outcome.lost).toEqual([]);
    expect(outcome.code).toBe(0);
    expect(outcome.took).toBeLessThan(2_000);
  });
});

describe('cross-posting', () => {
  it('makes a new course a thread in the discussions and a message in the inbox', async () => {
    const [courses, discuss, inbox] = [
      await start('courses'),
      await start('discuss', 'brave-owl'),
      await start('inbox'),
    ];
    await courses.send('POST', '/items', { title: 'Botany' });
    await until('discuss has it', async () => (await titles(discuss, 'references')).includes('Botany'));
    await until('inbox has it', async () => (await titles(inbox, 'references')).includes('Botany'));
    expect(rows(await discuss.get('/references'), 'references')).toMatchObject([{ from: 'courses', kind: 'course' }]);
    expect((await discuss.get('/')).text).toContain('http://courses.elmsln.test');
    const [item] = rows(await courses.get('/items'), 'items');
    await until('nothing waits', async () => figure(await courses.get('/metrics'), 'unsent') === 0);
    expect(item).toMatchObject({ title: 'Botany' });
  });

  it('waits for a sibling that is away, also over a restart, and tells it once', async () => {
    const [quiz, grades] = [await start('quiz'), await start('grades')];
    await grades.stop('SIGKILL');
    await quiz.send('POST', '/items', { id: 'q1', title: 'First quiz' });
    expect((await quiz.get('/items/q1')).json).toMatchObject({ waiting: ['grades'] });
    await quiz.stop('SIGKILL');
    const again = await start('quiz', 'amber-fox', quiz.folder);
    expect((await again.get('/items/q1')).json).toMatchObject({ waiting: ['grades'] });
    const moved = await start('grades', 'amber-fox', grades.folder);
    await until('grades has it', async () => (await titles(moved, 'references')).includes('First quiz'));
    await until('nothing waits', async () => figure(await again.get('/metrics'), 'unsent') === 0);
    const reference = rows(await moved.get('/references'), 'references')[0];
    expect((await moved.send('POST', '/references', reference)).status).toBe(200);
    expect(await titles(moved, 'references')).toEqual(['First quiz']);
  });

  it('goes on when a system moves to another cell with its data', async () => {
    const [blog, people] = [await start('blog'), await start('people')];
    await blog.send('POST', '/items', { title: 'Before', share: ['people'] });
    await until('people has it', async () => (await titles(people, 'references')).length === 1);
    await stage.remove(people);
    await blog.send('POST', '/items', { title: 'Meanwhile', share: [] });
    const moved = await start('people', 'brave-owl', people.folder);
    await until('blog sees it there', async () => {
      const found = rows(await blog.get('/siblings'), 'siblings').find(({ name }) => name === 'people');
      return found?.cell === 'brave-owl';
    });
    await blog.send('POST', '/items', { title: 'After', share: ['people'] });
    await until('people has both', async () => (await titles(moved, 'references')).join() === 'Before,After');
  });
});

it('thirteen systems act as one suite, and each says how crowded its cell is', async () => {
  const names = Object.keys(GENOME.functions);
  // Eleven on one cell, two that have moved out.
  const programs = await Promise.all(names.map((name, i) => start(name, i < 2 ? `cell-${i}` : 'amber-fox')));
  const [first, , third] = programs as [Program, Program, Program];
  await until('each knows twelve siblings', async () => {
    const known = await Promise.all(programs.map((program) => program.get('/siblings')));
    return known.every((answer) => rows(answer, 'siblings').length === 12);
  });
  const { systems } = (await third.get('/network')).json as {
    systems: { name: string; about: { title: string } | null }[];
  };
  expect(systems.map(({ name }) => name).sort()).toEqual([...names].sort());
  for (const { name, about } of systems) expect(about?.title).toBe(GENOME.functions[name]?.env.TITLE);
  const { text } = await first.get('/');
  for (const name of names.slice(1)) expect(text).toContain(`http://${name}.elmsln.test:`);
  expect(figure(await first.get('/metrics'), 'crowd')).toBe(1);
  expect(figure(await third.get('/metrics'), 'crowd')).toBe(11);
  stage.mark(first, false);
  await until('its siblings know that it is not well', async () =>
    rows(await third.get('/siblings'), 'siblings').some(({ name, healthy }) => name === names[0] && healthy === false),
  );
});
