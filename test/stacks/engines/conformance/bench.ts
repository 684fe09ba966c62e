/**
 * What the conformance suite of the engines stands on: a folder for each test, with the engine's home and the things
 * that its handlers make, and short ways to say what is wanted and what came of it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CellError } from '../../../../src/errors.ts';
import type { Change, Engine, StackResult } from '../../../../stacks/engines/engine.ts';
import { engine } from '../../../../stacks/engines/index.ts';
import type { Bindings, EngineName, Json, ResourceSpec, StackPlan } from '../../../../stacks/stack.ts';
import type { Call } from '../support/call.main.ts';

const SUPPORT = join(import.meta.dirname, '..', 'support');
const HANDLERS = join(SUPPORT, 'folder.handler.ts');
const CALL = join(SUPPORT, 'call.main.ts');
export const SECRET = 'correct horse "battery" staple';
export const TOKEN = 'token-8c1f7f0e';

export type Resource = readonly [name: string, inputs?: Readonly<Record<string, Json>>, type?: string];

export interface Bench {
  readonly name: EngineName;
  /** Of the test that runs. */
  readonly base: string;
  readonly folder: string;
  /** What the cloud `far` of the same provider makes. */
  readonly far: string;
  readonly home: string;
  /** What `onChange` heard. */
  readonly told: Change[];
  check(title: string, work: () => Promise<void>): void;
  open(at?: string, signal?: AbortSignal): Promise<Engine>;
  plan(resources: readonly Resource[], stack?: string, kind?: StackPlan['kind']): StackPlan;
  up(resources: readonly Resource[], bindings?: Bindings): Promise<StackResult>;
  /** `up` in a process of its own. */
  start(wanted: StackPlan, bindings?: Bindings): ChildProcess;
  answer(child: ChildProcess): Promise<{ code?: string; changes?: readonly Change[] }>;
  /** Until that operation has its effect and nobody was told. */
  hanging(operation: string): Promise<void>;
  kill(child: ChildProcess): Promise<void>;
  /** Runs `up` in a process of its own and kills it when the operation on `a` has its effect and nobody was told. */
  killed(operation: string, wanted: readonly Resource[]): Promise<void>;
}

/** `timeoutMs` is for one test; the Pulumi CLI takes a second a call, and much more on a machine under load. */
export function openBench(name: EngineName, timeoutMs: number): Bench {
  let base = '';
  let children: ChildProcess[] = [];
  const told: Change[] = [];

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), `cell-${name}-`));
    for (const folder of [bench.folder, bench.far]) mkdirSync(folder);
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

  const credentials = () => ({
    folder: { folder: bench.folder, token: TOKEN },
    'folder/far': { folder: bench.far, token: TOKEN },
  });

  const bench: Bench = {
    name,
    told,
    get base() {
      return base;
    },
    get folder() {
      return join(base, 'things');
    },
    get far() {
      return join(base, 'far');
    },
    get home() {
      return join(base, 'home');
    },
    check: (title, work) => test(title, work, timeoutMs),
    open: (at = bench.home, signal = undefined) =>
      engine(name, {
        home: at,
        credentials: credentials(),
        handlers: HANDLERS,
        onChange: (change) => told.push(change),
        ...(signal === undefined ? {} : { signal }),
      }),
    plan: (resources, stack = 'garden', kind = 'body') => ({
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
    }),
    up: async (resources, bindings = {}) => (await bench.open()).up(bench.plan(resources), bindings),
    start(wanted, bindings = {}) {
      const { home } = bench;
      const call: Call = { engine: name, home, credentials: credentials(), handlers: HANDLERS, plan: wanted, bindings };
      const child = spawn(process.execPath, [CALL, JSON.stringify(call)], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      return child;
    },
    async answer(child) {
      let out = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString('utf8');
      });
      await once(child, 'close');
      return JSON.parse(out) as { code?: string; changes?: readonly Change[] };
    },
    async hanging(operation) {
      const there = () =>
        expect(filesBelow(bench.folder).some((file) => file.includes(`hanging-${operation}-`))).toBe(true);
      await vi.waitFor(there, { timeout: timeoutMs, interval: 20 });
    },
    async kill(child) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    async killed(operation, wanted) {
      writeFileSync(join(bench.folder, `hang-${operation}-a`), '');
      const child = bench.start(bench.plan(wanted));
      await bench.hanging(operation);
      await bench.kill(child);
      for (const file of filesBelow(bench.folder).filter((path) => path.includes('hanging-'))) rmSync(file);
    },
  };
  return bench;
}

/** `OPERATION NAME KEYS`, sorted. */
export function short(changes: readonly Change[]): readonly string[] {
  return changes.map(({ operation, name, keys }) => [operation, name, ...keys].join(' ')).sort();
}

/** The CellError that something fails with. */
export async function failure(work: Promise<unknown>): Promise<CellError> {
  const thrown = await work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof CellError)) throw thrown;
  return thrown;
}

export function filesBelow(at: string): readonly string[] {
  return readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

export function texts(at: string): readonly string[] {
  return filesBelow(at).map((file) => readFileSync(file, 'latin1'));
}
