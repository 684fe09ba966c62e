/** What an imprint puts on a machine: the programs that the cell's stacks need, of the machine's own kind, and no others. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type Genome, genomeSchema } from '../genome/schema.ts';
import { ownPlatform } from '../src/effects/tools.ts';
import { furnish } from '../src/steps/imprint.ts';
import { cachedTool } from '../stacks/engines/pulumi.find.ts';
import { NODE_VERSION, type Platform, shown, toolOf } from '../stacks/tools.ts';
import { shellRemote } from './effects/remote.support.ts';

vi.mock('../src/effects/artefacts.ts', async (original) => {
  const real = await original<typeof import('../src/effects/artefacts.ts')>();
  // The bundle of a checkout is another test's matter.
  return { ...real, cliArtefact: () => real.folderArtefact('cli', join(import.meta.dirname, 'courses'), ['steps.ts']) };
});

const OWN = ownPlatform() as Platform;
const OTHER: Platform = { os: 'linux', arch: OWN.arch === 'x64' ? 'arm64' : 'x64' };
const UNAME = { x64: 'x86_64', arm64: 'aarch64' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-imprint-'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  vi.stubEnv('CELL_PULUMI', '');
  vi.stubEnv('CELL_CACHE', join(folder, 'cache'));
});

const genome: Genome = genomeSchema.parse({
  organism: 'garden',
  zone: 'garden.example',
  clouds: { far: { provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: 'env:A' } },
  dns: { provider: 'cloudflare', credentials: 'env:A' },
  functions: { web: { run: './web', domain: 'www.garden.example' } },
});

/** What a computer has fetched for a kind of machine: programs that say what they are. */
function fetched(platform: Platform): void {
  for (const [file, version] of [
    ['node', NODE_VERSION],
    ...(['pulumi', 'linode'] as const).map((name) => [toolOf(name).file, toolOf(name).version] as const),
  ] as const) {
    const at = cachedTool(file, version, shown(platform));
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, `${file} of ${shown(platform)}`, { mode: 0o755 });
  }
}

/** A machine with a folder for its files, that says what it is. */
function machine(name: string, platform: Platform) {
  const root = join(folder, name);
  mkdirSync(join(root, 'bin'), { recursive: true });
  const says = `#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo ${UNAME[platform.arch]}\n`;
  writeFileSync(join(root, 'bin/uname'), says, { mode: 0o755 });
  const node = `#!/bin/sh\necho v${isOwn(platform) ? '24.0.0' : '18.0.0'}\n`;
  writeFileSync(join(root, 'bin/node'), node, { mode: 0o755 });
  const remote = shellRemote({ env: { ...process.env, PATH: `${root}/bin:${process.env.PATH}`, CELL_ROOT: root } });
  return { root, remote: { ...remote, reach: { ...remote.reach, root } } };
}
const isOwn = (platform: Platform) => platform.arch === OWN.arch;

type Asked = { readonly budget: number; readonly runs?: boolean; readonly stem?: boolean };

async function furnished({ root, remote }: ReturnType<typeof machine>, { budget, runs = true, stem = false }: Asked) {
  const saga = { cloud: 'far', reach: remote.reach, birth: 'b1' };
  const parent = {
    ...{ genome, now: () => 0, log: () => {}, onProgress: () => {}, donor: { runs } },
    reachChild: async () => remote,
  };
  const made = await furnish(
    parent as never,
    (stem ? { ...saga, kind: 'stem' } : { ...saga, kind: 'divide', functions: ['web'], budget }) as never,
  );
  const engines = join(root, 'opt/cell/engines');
  const names = existsSync(engines) ? readdirSync(engines) : [];
  const tools = names.map((name) => {
    const program = realpathSync(join(engines, name));
    expect(program.startsWith(join(realpathSync(root), 'opt/cell/store/'))).toBe(true);
    return readFileSync(program, 'utf8');
  });
  return { ...made, tools };
}

const BOTH = (platform: Platform) => [`pulumi of ${shown(platform)}`, `pulumi-resource-linode of ${shown(platform)}`];

test.each<[string, Asked, boolean]>([
  ['a child with a budget', { budget: 2 }, true],
  ['a child without', { budget: 0 }, false],
  ['the first cell, for its own body', { budget: 0, runs: false }, true],
  ['a stem cell, which may become anything', { budget: 0, stem: true }, true],
])('%s', async (_, asked, brings) => {
  fetched(OWN);
  const { tools, runtime } = await furnished(machine('one', OWN), asked);
  expect(tools).toEqual(brings ? BOTH(OWN) : []);
  // The machine's own Node fits.
  expect(runtime).toBeNull();
});

test('a machine of another kind gets what is of its kind, the Node with it', async () => {
  fetched(OWN);
  fetched(OTHER);
  const there = machine('other', OTHER);
  const { tools, runtime } = await furnished(there, { budget: 1 });
  expect(tools).toEqual(BOTH(OTHER));
  const file = join(there.root, 'opt/cell/store', runtime?.hash ?? '', 'node');
  expect(readFileSync(file, 'utf8')).toBe(`node of ${shown(OTHER)}`);
});

test('a second time nothing is sent', async () => {
  fetched(OWN);
  const there = machine('one', OWN);
  const first = await furnished(there, { budget: 1 });
  expect(first.bytes).toBeGreaterThan(0);
  const second = await furnished(there, { budget: 1 });
  expect([second.bytes, second.tools]).toEqual([0, BOTH(OWN)]);
});

test('a cell hands on what it was given, where its computer has nothing else', async () => {
  fetched(OWN);
  const parent = machine('parent', OWN);
  await furnished(parent, { budget: 3 });
  vi.stubEnv('CELL_CACHE', join(folder, 'empty'));
  vi.stubEnv('CELL_ROOT', parent.root);
  const stored = () => readdirSync(join(parent.root, 'opt/cell/store')).sort();
  const child = machine('child', OWN);
  expect((await furnished(child, { budget: 2 })).tools).toEqual(BOTH(OWN));
  expect(readdirSync(join(child.root, 'opt/cell/store')).sort()).toEqual(stored());
});

test('where the programs for a kind of machine cannot be had, it is said and nothing is half there', async () => {
  fetched(OWN);
  const there = machine('other', OTHER);
  vi.stubEnv('CELL_PULUMI_MIRROR', 'http://127.0.0.1:9');
  vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9/');
  vi.stubEnv('npm_config_fetch_retries', '0');
  await expect(furnished(there, { budget: 1 })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
  expect(existsSync(join(there.root, 'opt/cell/engines'))).toBe(false);
});
