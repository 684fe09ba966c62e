/**
 * What both engines promise, as one suite. Every test has a folder of its own for the engine's home and for the things
 * that its handlers make.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CellError } from '../../../src/errors.ts';
import type { Change, Engine } from '../../../stacks/engines/engine.ts';
import { engine } from '../../../stacks/engines/index.ts';
import type { Bindings, EngineName, Json, ResourceSpec, StackPlan } from '../../../stacks/stack.ts';
import type { Call } from './support/call.main.ts';
import { calls, things } from './support/folder.handler.ts';

const HANDLERS = join(import.meta.dirname, 'support', 'folder.handler.ts');
const CALL = join(import.meta.dirname, 'support', 'call.main.ts');
const SECRET = 'correct horse "battery" staple';
const TOKEN = 'token-8c1f7f0e';

type Resource = readonly [name: string, inputs?: Readonly<Record<string, Json>>, type?: string];

/** Each `timeoutMs` is for one test; the Pulumi CLI takes seconds a call. */
export function conformance(name: EngineName, timeoutMs: number): void {
  let base: string;
  let folder: string;
  let home: string;
  let children: ChildProcess[];
  const told: Change[] = [];

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), `cell-${name}-`));
    folder = join(base, 'things');
    home = join(base, 'home');
    mkdirSync(folder);
    children = [];
    told.length = 0;
  });

  afterEach(async () => {
    for (const child of children.filter((one) => one.exitCode === null && one.signalCode === null)) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(base, { recursive: true, force: true });
  });

  const credentials = () => ({ folder: { folder, token: TOKEN } });
  const open = (at = home, signal?: AbortSignal): Promise<Engine> =>
    engine(name, {
      home: at,
      credentials: credentials(),
      handlers: HANDLERS,
      onChange: (change) => told.push(change),
      ...(signal === undefined ? {} : { signal }),
    });

  const plan = (resources: readonly Resource[], stack = 'garden', kind: StackPlan['kind'] = 'body'): StackPlan => ({
    name: stack,
    kind,
    cell: 'birth-1',
    engine: name,
    resources: resources.map(
      ([of, inputs = {}, type = 'cell:folder:Thing']): ResourceSpec => ({
        type,
        name: of,
        inputs: { name: of, ...inputs },
      }),
    ),
  });

  const up = async (resources: readonly Resource[], bindings: Bindings = {}) =>
    (await open()).up(plan(resources), bindings);
  const short = (changes: readonly Change[]) =>
    changes.map(({ operation, name: of, keys }) => [operation, of, ...keys].join(' ')).sort();
  const failure = async (work: Promise<unknown>): Promise<CellError> => {
    const thrown = await work.then(
      () => new Error('it did not fail'),
      (error: unknown) => error,
    );
    if (!(thrown instanceof CellError)) throw thrown;
    return thrown;
  };
  const start = (wanted: StackPlan, bindings: Bindings = {}): ChildProcess => {
    const call: Call = { engine: name, home, credentials: credentials(), handlers: HANDLERS, plan: wanted, bindings };
    const child = spawn(process.execPath, [CALL, JSON.stringify(call)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const answer = async (child: ChildProcess): Promise<{ code?: string; changes?: readonly Change[] }> => {
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
    });
    await once(child, 'close');
    return JSON.parse(out) as { code?: string; changes?: readonly Change[] };
  };
  const filesBelow = (at: string): readonly string[] =>
    readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const texts = (at: string) => filesBelow(at).map((file) => readFileSync(file, 'latin1'));
  const check = (title: string, work: () => Promise<void>) => test(title, work, timeoutMs);

  check('creates, in the order of references, and gives outputs', async () => {
    const { changes, outputs } = await up(
      [
        ['b', { from: { $ref: 'a.address' }, at: { $value: 'place' } }],
        ['a', { size: 1, deep: { list: [1, null, { x: true }] } }],
      ],
      { values: { place: { nested: ['here'] } } },
    );
    expect(short(changes)).toEqual(['create a', 'create b']);
    expect(short(told)).toEqual(['create a', 'create b']);
    expect(calls(folder)).toEqual(['create a', 'create b']);
    expect(things(folder).b).toEqual({ name: 'b', from: 'address-of-a', at: { nested: ['here'] } });
    expect(outputs.a).toMatchObject({
      name: 'a',
      size: 1,
      address: 'address-of-a',
      deep: { list: [1, null, { x: true }] },
    });
    expect(await (await open()).list()).toEqual(['garden']);
  });

  check('changes nothing when nothing changed', async () => {
    await up([['a', { size: 1 }], ['b']]);
    told.length = 0;
    const { changes, outputs } = await up([['a', { size: 1 }], ['b']]);
    expect(short(changes)).toEqual(['same a', 'same b']);
    expect(told).toEqual([]);
    expect(calls(folder)).toEqual(expect.arrayContaining(['create a', 'create b']));
    expect(calls(folder)).toHaveLength(2);
    expect(outputs.b).toMatchObject({ address: 'address-of-b' });
  });

  check('updates in place', async () => {
    const [file] = [(await up([['a', { size: 1, keep: 'x' }]])).outputs.a?.url, things(folder)];
    const { changes, outputs } = await up([['a', { size: 2, keep: 'x' }]]);
    expect(short(changes)).toEqual(['update a size']);
    expect(calls(folder)).toEqual(['create a', 'update a']);
    expect(outputs.a).toMatchObject({ size: 2, url: file });
  });

  check('replaces, the old one first', async () => {
    await up([['a', { kind: 'old', size: 1 }]]);
    told.length = 0;
    const { changes } = await up([['a', { kind: 'new', size: 1 }]]);
    expect(short(changes)).toEqual(['replace a kind']);
    expect(short(told)).toEqual(['replace a kind']);
    expect(calls(folder)).toEqual(['create a', 'delete a', 'create a']);
    expect(things(folder).a).toMatchObject({ kind: 'new' });
  });

  check('deletes what is no longer wanted', async () => {
    await up([['a'], ['b', { from: { $ref: 'a.address' } }], ['c']]);
    const { changes, outputs } = await up([['c']]);
    expect(short(changes)).toEqual(['delete a', 'delete b', 'same c']);
    expect(calls(folder).slice(3)).toEqual(['delete b', 'delete a']);
    expect(Object.keys(outputs)).toEqual(['c']);
  });

  check('keeps what was done before a failure, and goes on from there', async () => {
    const wanted: readonly Resource[] = [
      ['a'],
      ['b', { from: { $ref: 'a.address' } }],
      ['c', { from: { $ref: 'b.address' } }],
    ];
    writeFileSync(join(folder, 'fail-create-b'), '');
    const error = await failure(up(wanted));
    expect(error.code).toBe('STACK_FAILED');
    expect(error.fields).toMatchObject({ stack: 'garden', resource: 'b' });
    expect(error.why).toContain('told to fail');
    expect(calls(folder)).not.toContain('create c');
    rmSync(join(folder, 'fail-create-b'));
    await up(wanted);
    expect(Object.keys(things(folder)).sort()).toEqual(['a', 'b', 'c']);
    expect(calls(folder).filter((line) => line === 'create a')).toHaveLength(1);
    expect(short((await up(wanted)).changes)).toEqual(['same a', 'same b', 'same c']);
  });

  check('destroys what a failed create left behind', async () => {
    writeFileSync(join(folder, 'fail-create-a'), '');
    await failure(up([['a']]));
    expect(Object.keys(things(folder))).toEqual(['a']);
    await (await open()).destroy('garden');
    expect(things(folder)).toEqual({});
  });

  check('does again an update that failed', async () => {
    await up([['a', { size: 1 }]]);
    writeFileSync(join(folder, 'fail-update-a'), '');
    expect((await failure(up([['a', { size: 2 }]]))).fields).toMatchObject({ resource: 'a' });
    rmSync(join(folder, 'fail-update-a'));
    await up([['a', { size: 2 }]]);
    expect(things(folder).a).toMatchObject({ size: 2 });
  });

  for (const type of ['cell:folder:Thing', 'cell:folder:Plain']) {
    check(`killed in a create of ${type}, makes no second one`, async () => {
      const wanted: readonly Resource[] = [['a', { size: 1 }, type]];
      await killed('create', wanted);
      expect(Object.keys(things(folder))).toEqual(['a']);
      await up(wanted);
      expect(Object.keys(things(folder))).toEqual(['a']);
      expect(short((await up(wanted)).changes)).toEqual(['same a']);
      await (await open()).destroy('garden');
      expect(things(folder)).toEqual({});
    });

    check(`killed in a create of ${type} that is then not wanted, takes it back`, async () => {
      await killed('create', [['a', {}, type]]);
      await up([['b']]);
      expect(Object.keys(things(folder))).toEqual(['b']);
    });
  }

  check('killed in a create, destroys it', async () => {
    await killed('create', [['a']]);
    await (await open()).destroy('garden');
    expect(things(folder)).toEqual({});
    expect(await (await open()).list()).toEqual([]);
  });

  check('killed in an update and in a delete, ends both', async () => {
    await up([['a', { size: 1 }], ['b']]);
    await killed('update', [['a', { size: 2 }], ['b']]);
    await up([['a', { size: 2 }], ['b']]);
    expect(things(folder).a).toMatchObject({ size: 2 });
    await killed('delete', [['b']]);
    await up([['b']]);
    expect(Object.keys(things(folder))).toEqual(['b']);
  });

  check('refresh forgets what is gone and sees what drifted; up makes it again', async () => {
    await up([['a', { size: 1 }], ['b', { size: 1 }], ['c']]);
    const file = (of: string) =>
      filesBelow(folder).find((path) => readFileSync(path, 'utf8').startsWith(`{"name":"${of}"`))!;
    rmSync(file('a'));
    writeFileSync(file('b'), JSON.stringify({ name: 'b', size: 7 }));
    told.length = 0;
    const { changes, outputs } = await (await open()).refresh('garden');
    expect(short(changes)).toEqual(['delete a', 'same c', 'update b size']);
    expect(short(told)).toEqual(['delete a', 'update b size']);
    expect(outputs.b).toMatchObject({ size: 7 });
    expect(Object.keys(outputs).sort()).toEqual(['b', 'c']);
    expect(short((await up([['a', { size: 1 }], ['b', { size: 1 }], ['c']])).changes)).toContain('create a');
    expect(Object.keys(things(folder)).sort()).toEqual(['a', 'b', 'c']);
  });

  check('destroys everything, dependents first, and leaves no stack', async () => {
    await up([['a'], ['b', { from: { $ref: 'a.address' } }]]);
    const { changes } = await (await open()).destroy('garden');
    expect(short(changes)).toEqual(['delete a', 'delete b']);
    expect(calls(folder).slice(2)).toEqual(['delete b', 'delete a']);
    expect(things(folder)).toEqual({});
    expect(filesBelow(home)).toEqual([]);
    expect(await (await open()).list()).toEqual([]);
    expect((await (await open()).destroy('garden')).changes).toEqual([]);
    expect(await (await open()).export('garden')).toBeNull();
  });

  check('runs two stacks at once in one process', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const results = await Promise.all([
      one.up(plan([['a'], ['b', { from: { $ref: 'a.address' } }]], 'left'), {}),
      two.up(plan([['c'], ['d', { from: { $ref: 'c.address' } }]], 'right', 'voice'), {}),
    ]);
    expect(results.map(({ outputs }) => Object.keys(outputs).sort())).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(things(folder).d).toMatchObject({ from: 'address-of-c' });
    expect(await one.list()).toEqual(['left', 'right']);
  });

  check('lets one of two processes work on a stack', async () => {
    writeFileSync(join(folder, 'hang-create-a'), '');
    const first = start(plan([['a']]));
    await hanging('create');
    const second = await answer(start(plan([['a']])));
    expect(second.code).toBe('STACK_LOCKED');
    const error = await failure((await open()).destroy('garden'));
    expect(error.code).toBe('STACK_LOCKED');
    expect(error.why).toContain(String(first.pid));
    await kill(first);
    expect(short((await up([['a']])).changes)).not.toEqual([]);
    expect(Object.keys(things(folder))).toEqual(['a']);
  });

  check('keeps secrets out of the home, of errors and of what it tells', async () => {
    const wanted: readonly Resource[] = [
      ['a', { password: { $secret: 'login' }, note: { deep: [{ $secret: 'login' }] } }],
      ['b', { from: { $ref: 'a.url' }, password: 'plain-but-secret' }],
    ];
    const bindings = { secrets: { login: SECRET } };
    const { outputs } = await up(wanted, bindings);
    expect(outputs.a).toMatchObject({ password: SECRET, note: { deep: [SECRET] }, url: `folder://${SECRET}@a` });
    expect(things(folder).b).toMatchObject({ from: `folder://${SECRET}@a` });
    expect(short((await up(wanted, bindings)).changes)).toEqual(['same a', 'same b']);
    const preview = await (await open()).preview(plan(wanted), { secrets: { login: 'another secret' } });
    expect(short(preview.changes)[0]).toBe('update a note password');
    writeFileSync(join(folder, 'fail-update-a'), '');
    const changed: readonly Resource[] = [['a', { ...wanted[0]![1], size: 3 }], wanted[1]!];
    const error = await failure(up(changed, bindings));
    writeFileSync(join(folder, 'fail-create-c'), '');
    const other = await failure(up([...wanted, ['c', { password: { $secret: 'login' } }]], bindings));
    await (await open()).refresh('garden');
    const portable = await (await open()).export('garden');
    const said = [error, other].flatMap((one) => everythingIn(one));
    const secrets = [SECRET, JSON.stringify(SECRET).slice(1, -1), 'plain-but-secret', 'another secret', TOKEN];
    expect(error.why).toContain('told to fail');
    for (const text of [...texts(home), ...said, JSON.stringify(told), JSON.stringify(portable)]) {
      for (const secret of secrets) expect(text).not.toContain(secret);
    }
  });

  check('carries a checkpoint to another home', async () => {
    const wanted: readonly Resource[] = [
      ['a', { password: { $secret: 'login' } }],
      ['b', { from: { $ref: 'a.url' } }],
    ];
    const bindings = { secrets: { login: SECRET } };
    await up(wanted, bindings);
    const portable = await (await open()).export('garden');
    const there = join(base, 'there');
    const other = await open(there);
    await other.import('garden', JSON.parse(JSON.stringify(portable)));
    expect(short((await other.up(plan(wanted), bindings)).changes)).toEqual(['same a', 'same b']);
    for (const text of texts(there)) expect(text).not.toContain(SECRET);
    await (await open()).forget('garden');
    expect(filesBelow(home)).toEqual([]);
    expect(Object.keys(things(folder)).sort()).toEqual(['a', 'b']);
    await (await open()).forget('garden');
    await other.import('garden', portable!);
    await other.destroy('garden');
    expect(things(folder)).toEqual({});
    const foreign = { ...portable!, engine: name === 'pulumi' ? ('embedded' as const) : ('pulumi' as const) };
    expect((await failure(other.import('garden', foreign))).code).toBe('CHECKPOINT_CORRUPT');
  });

  check('previews without changing anything', async () => {
    const wanted: readonly Resource[] = [
      ['a', { size: 1 }],
      ['b', { from: { $ref: 'a.address' } }],
    ];
    const first = await (await open()).preview(plan(wanted), {});
    expect(short(first.changes)).toEqual(['create a', 'create b']);
    expect(existsSync(home) ? filesBelow(home) : []).toEqual([]);
    await up([...wanted, ['c']]);
    told.length = 0;
    const before = texts(folder);
    const { changes } = await (await open()).preview(plan([['a', { size: 2 }], wanted[1]!, ['d']]), {});
    expect(short(changes)).toEqual(['create d', 'delete c', 'update a size', 'update b from']);
    const replaced = await (await open()).preview(plan([['a', { size: 1, kind: 'new' }], wanted[1]!, ['c']]), {});
    expect(short(replaced.changes)).toEqual(['replace a kind', 'same c', 'update b from']);
    expect(texts(folder)).toEqual(before);
    expect(told).toEqual([]);
    expect(short((await up([...wanted, ['c']])).changes)).toEqual(['same a', 'same b', 'same c']);
  });

  check('says which inputs cannot be used, before anything is made', async () => {
    const wanted: readonly Resource[] = [['a', { size: 'large' }]];
    for (const work of [async () => (await open()).preview(plan(wanted), {}), () => up(wanted)]) {
      const error = await failure(work());
      expect(error.code).toBe('STACK_FAILED');
      expect(error.fields.resource).toBe('a');
      expect(error.why).toContain('size');
      expect(error.why).toContain('it is not a number');
    }
    expect(calls(folder)).toEqual([]);
  });

  check('stops when it is told to', async () => {
    const error = await failure((await open(home, AbortSignal.abort())).up(plan([['a']]), {}));
    expect(error.code).toBe('INTERRUPTED');
    expect(calls(folder)).toEqual([]);
  });

  const hanging = async (operation: string): Promise<void> => {
    const there = () => expect(filesBelow(folder).some((file) => file.includes(`hanging-${operation}-`))).toBe(true);
    await vi.waitFor(there, { timeout: timeoutMs, interval: 20 });
  };

  const kill = async (child: ChildProcess): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  /** Runs `up` in a process of its own and kills it when the operation's effect is there and nobody was told. */
  const killed = async (operation: string, wanted: readonly Resource[]): Promise<void> => {
    writeFileSync(join(folder, `hang-${operation}-a`), '');
    const child = start(plan(wanted));
    await hanging(operation);
    await kill(child);
    for (const file of filesBelow(folder).filter((path) => path.includes('hanging-'))) rmSync(file);
  };
}

/** Everything that `--debug` and `--json` could print of an error. */
function everythingIn(thrown: unknown): readonly string[] {
  if (!(thrown instanceof Error)) return thrown === undefined ? [] : [String(thrown)];
  const more =
    thrown instanceof CellError ? [thrown.why ?? '', thrown.suggestion ?? '', JSON.stringify(thrown.fields)] : [];
  return [thrown.message, thrown.stack ?? '', ...more, ...everythingIn(thrown.cause)];
}
