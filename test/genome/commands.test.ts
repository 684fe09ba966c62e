import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXAMPLES } from '../../genome/init.ts';
import { bigGenome, GARDEN, gardenWith } from './garden.ts';

const CLI = join(import.meta.dirname, '../../bin/dev.js');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cell-commands-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the CLI from its sources as a process of its own. */
function cell(...args: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, NODE_ENV: 'production', CELL_HOME: undefined };
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('cell init', { timeout: 180_000 }, () => {
  it.each(EXAMPLES)('writes the example `%s`, which validates and compiles as it is', async (example) => {
    const init = await cell('init', 'garden', '--example', example);
    expect(init).toMatchObject({ code: 0, err: '' });
    expect(init.out).toContain('cd garden');
    expect(await readFile(join(folder, 'garden/genome.yaml'), 'utf8')).toMatch(
      /^# yaml-language-server: \$schema=\.\/genome\.schema\.json\n/,
    );
    JSON.parse(await readFile(join(folder, 'garden/genome.schema.json'), 'utf8'));
    const [validate, compile] = await Promise.all([
      cell('validate', '-g', 'garden/genome.yaml', '--json'),
      cell('compile', '-g', 'garden/genome.yaml', '--json'),
    ]);
    expect(JSON.parse(validate.out)).toMatchObject({ valid: true, errors: 0 });
    expect(JSON.parse(compile.out).stacks.length).toBeGreaterThan(0);
  });

  it('writes `small` when no example is named, and over nothing unless it is forced to', async () => {
    await writeFile(join(folder, 'genome.yaml'), 'mine');
    const refused = await cell('init');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('--force');
    expect(await readFile(join(folder, 'genome.yaml'), 'utf8')).toBe('mine');
    const forced = await cell('init', '--force', '--json');
    expect(forced.code).toBe(0);
    expect(JSON.parse(forced.out)).toMatchObject({ example: 'small', next: ['cell validate', 'cell seed'] });
    expect(await readFile(join(folder, 'genome.yaml'), 'utf8')).toContain('organism: small');
  });

  it('refuses an example that is not there as wrong usage', async () => {
    const run = await cell('init', '--example', 'large');
    expect(run).toMatchObject({ code: 2, out: '' });
    expect(run.err).toContain('small, crawler, elmsln, adea, multicloud');
  });
});

describe('cell validate', { timeout: 180_000 }, () => {
  it('says that a genome is valid', async () => {
    await writeFile(join(folder, 'genome.yaml'), GARDEN);
    expect(await cell('validate')).toEqual({ code: 0, out: 'genome.yaml: valid (garden, 2 functions)\n', err: '' });
  });

  it('shows every finding with its place and ends with 1', async () => {
    await writeFile(
      join(folder, 'other.yaml'),
      gardenWith('divide: delegate', 'divide: replcate').replace('port: 7002', 'port: 7001'),
    );
    const run = await cell('validate', '-g', 'other.yaml');
    expect(run.code).toBe(1);
    expect(run.out).toContain('other.yaml:18:13: error:');
    expect(run.out).toContain('     |             ^^^^^^^^');
    expect(run.out).toContain('did you mean `replicate`?');
    expect(run.out).toContain('other.yaml:22:11: error: port 7001');
    expect(run.out).toMatch(/other\.yaml: 2 errors\n$/);
    const json = await cell('validate', 'other.yaml', '--json');
    expect(json).toMatchObject({ code: 1, err: '' });
    expect(JSON.parse(json.out)).toMatchObject({
      file: 'other.yaml',
      valid: false,
      errors: 2,
      findings: [{ line: 18, column: 13, suggestion: 'replicate' }, { line: 22 }],
    });
  });

  it('finds a source that is not there', async () => {
    await writeFile(join(folder, 'genome.yaml'), gardenWith('run: node db.js', 'run: node db.js\n    source: ./db'));
    const run = await cell('validate');
    expect(run.code).toBe(1);
    expect(run.out).toContain('[missing-source]');
    await mkdir(join(folder, 'db'));
    expect((await cell('validate')).code).toBe(0);
  });

  it('answers ten megabytes and bytes that are no text', async () => {
    await writeFile(join(folder, 'genome.yaml'), 'a: b\n'.repeat(2 * 1024 * 1024));
    const large = await cell('validate', '--json');
    expect(JSON.parse(large.out)).toMatchObject({ valid: false, findings: [{ code: 'too-large' }] });
    await writeFile(join(folder, 'genome.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe, 0x0a]));
    expect(JSON.parse((await cell('validate', '--json')).out)).toMatchObject({
      findings: [
        { code: 'character', line: 1, column: 4 },
        { code: 'character', column: 5 },
      ],
    });
  });

  it('says how to get a genome where there is none', async () => {
    const run = await cell('validate');
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toMatch(/genome\.yaml[\s\S]*no such file[\s\S]*cell init/);
    expect(JSON.parse((await cell('validate', '--json')).out)).toEqual({
      error: {
        code: 'GENOME_MISSING',
        message: expect.any(String),
        why: expect.any(String),
        suggestion: expect.stringContaining('cell init'),
        fields: { file: 'genome.yaml' },
      },
    });
    expect((await cell('validate', '--debug')).err).toContain('caused by');
  });

  it('takes an unknown flag as wrong usage, in text and in JSON', async () => {
    expect(await cell('validate', '--loud')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('--loud'),
    });
    const json = await cell('validate', '--loud', '--json');
    expect(json).toMatchObject({ code: 2, err: '' });
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'USAGE' } });
  });
});

describe('cell compile', { timeout: 180_000 }, () => {
  it('gives exactly the stacks of the contract, the same to the byte', async () => {
    await writeFile(join(folder, 'genome.yaml'), GARDEN);
    const [once, again] = await Promise.all([cell('compile', '--json'), cell('compile', '--json')]);
    expect(once).toMatchObject({ code: 0, err: '' });
    expect(again.out).toBe(once.out);
    const { organism, stacks, ...more } = JSON.parse(once.out);
    expect(organism).toBe('garden');
    expect(more).toEqual({});
    expect(stacks.map((stack: { kind: string }) => stack.kind)).toEqual(['body', 'voice']);
    for (const stack of stacks) {
      expect(Object.keys(stack).sort()).toEqual(['cell', 'engine', 'kind', 'name', 'resources']);
      for (const resource of stack.resources) expect(Object.keys(resource).sort()).toEqual(['inputs', 'name', 'type']);
    }
  });

  it('prints a thousand functions to a pipe to the last byte', async () => {
    await writeFile(join(folder, 'genome.yaml'), bigGenome(1000));
    const run = await cell('compile', '--json');
    expect(run.code).toBe(0);
    expect(run.out).toContain('f999.big.test');
    expect(JSON.parse(run.out).stacks[1].resources.length).toBeGreaterThanOrEqual(1000);
  });

  it('refuses a genome with errors, with the first of them', async () => {
    await writeFile(join(folder, 'genome.yaml'), gardenWith('divide: delegate', 'divide: replcate'));
    const run = await cell('compile');
    expect(run).toMatchObject({ code: 1, out: '' });
    expect(run.err).toContain('genome.yaml:18:13');
    expect(JSON.parse((await cell('compile', '--json')).out)).toMatchObject({
      error: { code: 'GENOME_INVALID', fields: { errors: 1 } },
    });
  });
});
