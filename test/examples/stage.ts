/**
 * A stage for the examples' programs: each runs as a process of its own, in a folder of its own with a copy of its source,
 * as on a cell; and each cell has a where.json, in which the programs find one another.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';
import { freePort } from '../../src/effects/services.ts';
import { giveTo, nodeFor, type User, unprivileged } from './unprivileged.ts';

// Programs start and stop in these tests, on computers that have other things to do as well.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

export const EXAMPLES = join(import.meta.dirname, '../../genome/examples');

/** An address of this process, so that no test meets another's ports. */
const HOST = `127.${100 + Math.floor(process.pid / 65_536)}.${Math.floor(process.pid / 256) % 256}.${(process.pid % 254) + 1}`;

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** What JSON it was, or undefined. */
  readonly json: unknown;
}

export interface Program {
  readonly name: string;
  readonly cell: string;
  readonly folder: string;
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  /** Who it runs as; empty: as this process. */
  readonly user: Partial<User>;
  /** What it said on both streams. */
  output(): string;
  /** Resolves with the exit code, or the signal that ended it. */
  stop(signal: NodeJS.Signals): Promise<number | string | null>;
  get(path: string): Promise<Answer>;
  send(method: string, path: string, json: unknown): Promise<Answer>;
}

export interface Options {
  readonly cell?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly domain?: string;
  /** Goes on with the folder of a program that ended. */
  readonly folder?: string;
  /** Runs as nobody where this process is root, as on a machine: servers such as PostgreSQL refuse to be root. */
  readonly unprivileged?: boolean;
}

export class Stage {
  readonly example: string;
  readonly root: string;
  readonly #running = new Set<ChildProcess>();
  /** The programs that where.json tells of. */
  readonly #places = new Map<string, { program: Program; domain: string | null; healthy: boolean }>();

  private constructor(example: string, root: string) {
    this.example = example;
    this.root = root;
  }

  static async open(example: string): Promise<Stage> {
    const root = await mkdtemp(join(tmpdir(), `cell-example-${example}-`));
    await chmod(root, 0o755);
    return new Stage(example, root);
  }

  /** Starts `node FILE` as the function `name` and waits until it listens. */
  async start(name: string, file: string, options: Options = {}): Promise<Program> {
    const cell = options.cell ?? 'amber-fox';
    const folder = options.folder ?? join(this.root, cell, name);
    await mkdir(folder, { recursive: true });
    await cp(join(EXAMPLES, this.example, 'functions'), folder, { recursive: true });
    const user = options.unprivileged === true ? unprivileged() : {};
    giveTo(user, folder);
    const port = await freePort(HOST);
    const env = {
      PATH: process.env.PATH,
      HOST,
      PORT: String(port),
      CELL_FUNCTION: name,
      CELL_NAME: cell,
      CELL_ORGANISM: this.example,
      CELL_DATA: folder,
      CELL_WHERE: this.#whereFile(cell),
      ...options.env,
    };
    const node = await nodeFor(user, this.root);
    const child = spawn(node, [file], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], ...user });
    this.#running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const ended = new Promise<number | string | null>((resolve) =>
      child.once('exit', (code, signal) => {
        this.#running.delete(child);
        resolve(code ?? signal);
      }),
    );
    const url = `http://${HOST}:${port}`;
    const program: Program = {
      name,
      cell,
      folder,
      url,
      env,
      user,
      output: () => output,
      stop: (signal) => {
        child.kill(signal);
        return ended;
      },
      get: (path) => answer(fetch(url + path, { redirect: 'manual' })),
      send: (method, path, json) =>
        answer(
          fetch(url + path, { method, body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
        ),
    };
    await until(`${name} listens`, async () => {
      if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}: ${output}`);
      return (await program.get('/health').catch(() => null)) !== null;
    });
    this.#places.set(`${cell} ${name}`, { program, domain: options.domain ?? null, healthy: true });
    this.#tell();
    return program;
  }

  /** Says in where.json that a program is well or not. */
  mark(program: Program, healthy: boolean): void {
    const place = this.#places.get(`${program.cell} ${program.name}`);
    if (place) place.healthy = healthy;
    this.#tell();
  }

  /** Ends a program and takes it out of where.json. */
  remove(program: Program, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    this.#places.delete(`${program.cell} ${program.name}`);
    this.#tell();
    return program.stop(signal);
  }

  /** Runs a hook of a function, as the cell does: in its folder, with its environment. */
  async hook(program: Program, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const node = await nodeFor(program.user, this.root);
    const how = { cwd: program.folder, env: { ...program.env, ...env }, ...program.user };
    const child = spawn(node, args, how);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${output}`);
    return output;
  }

  async close(): Promise<void> {
    const ends = [...this.#running].map((child) => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      return ended;
    });
    await Promise.all(ends);
    // A server that follows its program to the end may still be writing.
    await rm(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #whereFile(cell: string): string {
    return join(this.root, `where.${cell}.json`);
  }

  /** At once, so that programs which start together do not write over one another's news. */
  #tell(): void {
    const all = [...this.#places.values()];
    for (const cell of new Set(all.map(({ program }) => program.cell))) {
      const functions: Record<string, object[]> = {};
      for (const { program, domain, healthy } of all) {
        const own = program.cell === cell;
        const { url } = program;
        const place = { cell: program.cell, birth: 'b0000000000', address: HOST, port: Number(new URL(url).port) };
        const whole = { ...place, url, domain, healthy, level: 'one', own, parent: false };
        const others = functions[program.name] ?? [];
        functions[program.name] = own ? [whole, ...others] : [...others, whole];
      }
      const file = this.#whereFile(cell);
      writeFileSync(`${file}.new`, JSON.stringify({ v: 1, organism: this.example, cell, functions }));
      renameSync(`${file}.new`, file);
    }
  }
}

async function answer(asked: Promise<Response>): Promise<Answer> {
  const response = await asked;
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  return { status: response.status, text, json: isJson ? JSON.parse(text) : undefined };
}

/** A list in an answer: its rows, for assertions. */
export function rows({ json }: Answer, key: string): Record<string, unknown>[] {
  return (json as Record<string, Record<string, unknown>[]>)[key] ?? [];
}

/** A number in an answer. */
export function figure({ json }: Answer, key: string): number {
  return Number((json as Record<string, unknown>)[key]);
}

/** Waits until something holds; says what was waited for when it never does. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, within = 50_000): Promise<void> {
  const deadline = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${within} ms in vain until ${what}`);
    await sleep(20);
  }
}
