/**
 * The house rules that a compiler does not hold: which room may import which, that decisions are pure, that files stay
 * short. Imports point one way: programs and commands -> stories -> (genome, stacks, memory, effects, local) -> decide -> words.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = dirname(import.meta.dirname);
const CODE = ['bin', 'commands', 'genome', 'stacks', 'src', 'test', 'bench'];
const LONGEST_FILE = 400;
const LONGEST_COMMAND = 60;

/** The words that everything speaks, although they lie beside the stories. */
const WORDS = ['model', 'proposed', 'view', 'errors', 'layout', 'limits', 'programs'].map((name) => `src/${name}.ts`);

interface Import {
  readonly from: string;
  /** A path in the repository, or a package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.slice(ROOT.length + 1).replaceAll('\\', '/'), entry.name))
    .filter((file) => !file.includes('node_modules/'));
}

const files = CODE.flatMap(filesBelow).sort();
const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const withoutComments = (file: string) => text(file).replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
const sources = files.filter(
  (file) => file.endsWith('.ts') && !file.startsWith('test/') && !file.startsWith('genome/examples/'),
);

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const code = withoutComments(file);
  const resolved = (path: string) => (path.startsWith('.') ? posix.join(posix.dirname(file), path) : path);
  for (const [, type, list, path] of code.matchAll(
    /^(?:import|export)\s+(type\s+)?([\w*{}\s,]+?)\s+from\s+'([^']+)'/gm,
  )) {
    const names = /^\{(.*)\}$/s
      .exec(list!)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const typeOnly = type !== undefined || (names?.every((name) => name.trim().startsWith('type ')) ?? false);
    found.push({ from: file, to: resolved(path!), typeOnly });
  }
  for (const [, path] of code.matchAll(/^import\s+'([^']+)'/gm)) {
    found.push({ from: file, to: resolved(path!), typeOnly: false });
  }
  for (const [, path] of code.matchAll(/\b(?:import|require)\(\s*'([^']+)'/g)) {
    found.push({ from: file, to: resolved(path!), typeOnly: false });
  }
  return found;
}

const imports = sources.flatMap(importsOf);
const shown = (list: readonly Import[]) => list.map(({ from, to }) => `${from} -> ${to}`);

/** How far up a file is; it may import what is as far up or further down. */
function level(file: string): number {
  if (WORDS.includes(file)) return 0;
  if (file.startsWith('src/decide/')) return 1;
  if (file.endsWith('.main.ts')) return 4;
  if (/^(genome|stacks)\/|^src\/(effects|memory|local|box|dashboard)\//.test(file)) return 2;
  if (file.startsWith('src/')) return 3;
  return 4;
}

describe('imports', () => {
  test('the scan sees imports of every form', () => {
    expect(imports.length).toBeGreaterThan(sources.length);
    expect(imports.some(({ typeOnly }) => typeOnly)).toBe(true);
    expect(imports.some(({ to }) => to === '@pulumi/pulumi')).toBe(true);
  });

  test('point one way', () => {
    const upwards = imports.filter(
      ({ from, to, typeOnly }) =>
        sources.includes(to) && level(to) > level(from) && !(typeOnly && to.startsWith('genome/')),
    );
    expect(shown(upwards)).toEqual([]);
  });

  test('decisions import the words and the types of the genome, and nothing else', () => {
    const impure = imports.filter(
      ({ from, to, typeOnly }) =>
        from.startsWith('src/decide/') &&
        !to.startsWith('src/decide/') &&
        !['src/model.ts', 'src/proposed.ts', 'src/view.ts', 'src/errors.ts', 'src/limits.ts'].includes(to) &&
        !(typeOnly && to.startsWith('genome/')),
    );
    expect(shown(impure)).toEqual([]);
  });

  test('only stacks knows Pulumi', () => {
    const elsewhere = imports.filter(({ from, to }) => to.startsWith('@pulumi/') && !from.startsWith('stacks/'));
    expect(shown(elsewhere)).toEqual([]);
  });

  test('only the local providers and its own programs know the embedded machine', () => {
    const elsewhere = imports.filter(
      ({ from, to }) =>
        to.startsWith('src/local/') &&
        !from.startsWith('src/local/') &&
        !/^stacks\/(machines|records)\/local[^/]*$/.test(from) &&
        !from.endsWith('.main.ts'),
    );
    expect(shown(elsewhere)).toEqual([]);
  });
});

test.each(sources.filter((file) => file.startsWith('src/decide/')))('%s reads no clock and draws no chance', (file) => {
  const impure =
    /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\.now\b|\bMath\.random\b|\bprocess\.|\bfetch\(/;
  expect(impure.exec(withoutComments(file))?.[0]).toBeUndefined();
});

test('files are short', () => {
  const code = files.filter((file) => /\.(ts|js|sh)$/.test(file));
  const long = code.filter((file) => text(file).split('\n').length - 1 > LONGEST_FILE);
  expect(long).toEqual([]);
});

test('a command reads flags, calls one function and prints', () => {
  const commands = sources.filter((file) => file.startsWith('commands/'));
  expect(commands.filter((file) => text(file).split('\n').length - 1 > LONGEST_COMMAND)).toEqual([]);
  expect(commands.filter((file) => !/^export default class \w+ extends /m.test(text(file)))).toEqual([]);
});

test('no file names a place that only one computer has', () => {
  const place = /(?<![\w.}])\/(?:work|tmp|home\/\w+|Users\/\w+)\//;
  const named = files.filter((file) => file !== 'test/architecture.test.ts').filter((file) => place.test(text(file)));
  expect(named).toEqual([]);
});
