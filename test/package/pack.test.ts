/** The package as a user gets it: packed, installed globally into an empty prefix, and used from there. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plugin } from './plugin.ts';
import { rented } from './rented.ts';

const run = promisify(execFile);
const ROOT = dirname(dirname(import.meta.dirname));
/** More than this is a mistake: a source map, a runtime or somebody's folder got in. Bytes, gzipped. */
const LARGEST_TARBALL = 8_000_000;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly shasum: string;
  readonly files: readonly { readonly path: string }[];
}

let folder: string;
let packed: Packed;
let env: NodeJS.ProcessEnv;

/** Runs the installed command; never throws. */
async function cell(args: readonly string[], cwd = folder): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(join(folder, 'prefix/bin/cell'), args, { cwd, env })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

async function pack(): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    env,
    maxBuffer: 1e8,
  });
  const said: unknown = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
  // npm 11 answers with a list, npm 12 with an object by name.
  return (Array.isArray(said) ? said[0] : Object.values(said as object)[0]) as Packed;
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'cell-pack-')));
  // The Node under test comes first, and no settings of the npm that runs this test reach the one that installs.
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config_(global|prefix|local)|lifecycle|package)|NODE_COMPILE_CACHE)/i.test(name),
  );
  env = {
    ...Object.fromEntries(kept),
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    XDG_CACHE_HOME: join(folder, 'cache'),
  };
  packed = await pack();
  const prefix = join(folder, 'prefix');
  // Offline: whatever it would have to fetch fails it.
  await run('npm', ['install', '--global', '--offline', '--prefix', prefix, join(folder, packed.filename)], {
    cwd: folder,
    env,
  });
}, 240_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('holds what it should, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  const asked = [
    'bin/cell.js',
    'bin/pulumi-resource-cell',
    'dist/main.js',
    'dist/tick.js',
    'dist/sync.js',
    'dist/provider.js',
  ];
  const beside = [
    'oclif.manifest.json',
    'package.json',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'THIRD-PARTY-LICENSES.txt',
  ];
  expect([...asked, ...beside, 'genome/genome.schema.json'].filter((path) => !paths.includes(path))).toEqual([]);
  const expected =
    /^(bin\/(cell\.js|pulumi-resource-cell)|dist\/((commands|chunks)\/)?[\w-]+\.js|dist\/commands\/box\/[\w-]+\.js|genome\/examples\/.+|genome\/genome\.schema\.json)$/;
  expect(paths.filter((path) => !expected.test(path) && !beside.includes(path))).toEqual([]);
  expect(paths.filter((path) => /\.map$|\.tsbuildinfo$|node_modules|(^|\/)\.(?!gitignore)/.test(path))).toEqual([]);
});

test('is of a reasonable size', () => {
  console.log(
    `${packed.filename}: ${(packed.size / 1e6).toFixed(1)} MB packed, ${(packed.unpackedSize / 1e6).toFixed(1)} MB unpacked`,
  );
  expect(packed.size).toBeLessThan(LARGEST_TARBALL);
});

test('the same sources give the same bytes', { timeout: 120_000 }, async () => {
  expect((await pack()).shasum).toBe(packed.shasum);
});

test('brings no dependency and no script that runs at installation', async () => {
  const installed = join(folder, 'prefix/lib/node_modules/cell');
  const { dependencies = {}, scripts } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  expect(dependencies).toEqual({});
  expect(Object.keys(scripts).filter((name) => /install|^prepare$/.test(name))).toEqual([]);
  expect(existsSync(join(installed, 'node_modules'))).toBe(false);
});

describe('the installed command', () => {
  test('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect((await cell(['--version'])).stdout).toMatch(new RegExp(`^cell/${version} `));
  });

  test('lists every command that has a source', async () => {
    const { code, stdout } = await cell(['--help']);
    expect(code).toBe(0);
    const { commands } = JSON.parse(
      await readFile(join(folder, 'prefix/lib/node_modules/cell/oclif.manifest.json'), 'utf8'),
    );
    for (const [name, { hidden }] of Object.entries<{ hidden?: boolean }>(commands)) {
      // A command of a topic is listed by its topic.
      const [listed = name] = name.split(':');
      if (hidden !== true) expect(stdout).toMatch(new RegExp(`^ {2}${listed}\\b`, 'm'));
    }
    expect(Object.keys(commands)).toContain('validate');
  });

  test('makes, validates and compiles a genome', async () => {
    expect(await cell(['init'])).toMatchObject({ code: 0 });
    expect(existsSync(join(folder, 'genome.yaml'))).toBe(true);
    expect(await cell(['validate'])).toMatchObject({ code: 0 });
    const compiled = await cell(['compile', '--json']);
    expect(compiled).toMatchObject({ code: 0 });
    const { organism, stacks } = JSON.parse(compiled.stdout);
    expect(organism).toMatch(/\w/);
    expect(stacks.map(({ kind }: { kind: string }) => kind)).toEqual(expect.arrayContaining(['body', 'voice']));
  });

  test.each([
    { call: ['valdate'], says: /cell validate/ },
    { call: ['--vesion'], says: /cell --version/ },
    { call: ['validate', '--no-such-flag'], says: /no-such-flag/ },
  ])('$call is wrong usage', async ({ call, says }) => {
    const { code, stdout, stderr } = await cell(call);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(says);
  });

  test('fails with 1 where there is no genome', async () => {
    expect(await cell(['validate', '--genome', join(folder, 'none.yaml')])).toMatchObject({ code: 1 });
  });
});

plugin(() => join(folder, 'prefix/lib/node_modules/cell'));
rented(() => ({ command: join(folder, 'prefix/bin/cell'), env }));
