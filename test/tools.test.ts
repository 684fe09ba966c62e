/** What a cell gets to run its stacks with: nothing more than it is for, and where it is then found. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Genome, genomeSchema } from '../genome/schema.ts';
import { programArtefact } from '../src/effects/artefacts.ts';
import { allTools, keepTools, toolsFor, toolsOn } from '../src/tools.ts';
import { findTool } from '../stacks/engines/pulumi.find.ts';

const CLOUDS = {
  ocean: { provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', credentials: 'env:A' },
  linode: { provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: 'env:A' },
  amazon: { provider: 'aws', region: 'eu-central-1', size: 't4g.micro', credentials: 'env:A' },
  here: { provider: 'local' },
} as const;
const DNS = {
  route53: { provider: 'route53', credentials: 'env:A' },
  cloudflare: { provider: 'cloudflare', credentials: 'env:A' },
  linode: { provider: 'linode', credentials: 'env:A' },
  local: { provider: 'local' },
} as const;
const WEB = { run: './web', domain: 'www.garden.example' };

const genomeOf = (clouds: readonly (keyof typeof CLOUDS)[], dns: keyof typeof DNS): Genome =>
  genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.example',
    clouds: Object.fromEntries(clouds.map((name) => [name, CLOUDS[name]])),
    dns: DNS[dns],
    functions: { web: WEB, quiet: { run: './quiet' } },
  });

describe('a cell needs', () => {
  const [some, none] = [3, 0];
  test.each<[string, Parameters<typeof genomeOf>, string[], number, string | null, string[]]>([
    ['nothing, on a computer', [['here'], 'local'], ['web'], some, null, []],
    ['nothing, with Cloudflare beside it', [['here'], 'cloudflare'], ['web'], some, 'here', []],
    [
      'the plugin of its cloud, with a budget',
      [['ocean'], 'cloudflare'],
      ['web'],
      some,
      null,
      ['pulumi', 'digitalocean'],
    ],
    ['nothing, without', [['ocean'], 'cloudflare'], ['web'], none, null, []],
    ['the plugins of both', [['ocean', 'linode'], 'local'], ['quiet'], 1, null, ['pulumi', 'digitalocean', 'linode']],
    ['what its records need, without a budget', [['ocean'], 'route53'], ['web'], none, null, ['pulumi', 'aws']],
    ['nothing, without either', [['ocean'], 'route53'], ['quiet'], none, null, []],
    ['one plugin for machines and records', [['amazon'], 'route53'], ['web'], some, null, ['pulumi', 'aws']],
    [
      'what its own body needs, as the first cell',
      [['ocean'], 'local'],
      ['web'],
      none,
      'ocean',
      ['pulumi', 'digitalocean'],
    ],
    ['only that, of two clouds', [['here', 'ocean'], 'local'], ['web'], none, 'here', []],
  ])('%s', (_, genome, functions, tokens, owned, tools) => {
    expect(toolsFor(genomeOf(...genome), { functions, tokens }, owned)).toEqual(tools);
  });

  test('never more than whoever it descends from', () => {
    const portion = fc.record({ functions: fc.subarray(['web', 'quiet']), tokens: fc.nat(4) });
    const clouds = fc.subarray(Object.keys(CLOUDS) as (keyof typeof CLOUDS)[], { minLength: 1 });
    const dns = fc.constantFrom(...(Object.keys(DNS) as (keyof typeof DNS)[]));
    fc.assert(
      fc.property(clouds, dns, portion, portion, (some, spoken, parent, other) => {
        const genome = genomeOf(some, spoken);
        const functions = other.functions.filter((name) => parent.functions.includes(name));
        const child = { functions, tokens: Math.min(other.tokens, parent.tokens) };
        const its = toolsFor(genome, parent);
        expect(toolsFor(genome, child).filter((tool) => !its.includes(tool))).toEqual([]);
        expect(its.filter((tool) => !allTools(genome).includes(tool))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'cell-tools-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('what was brought is found by its name, and what is not wanted any more is not', async () => {
  const root = folder();
  const parent = join(folder(), 'pulumi-resource-linode');
  writeFileSync(parent, '#!/bin/sh\n');
  chmodSync(parent, 0o755);
  const artefact = await programArtefact('engine', parent);
  const store = join(root, 'opt/cell/store', artefact.hash);
  mkdirSync(store, { recursive: true });
  execFileSync('cp', ['-p', parent, store]);
  const env = { CELL_ROOT: root, PATH: '', CELL_CACHE: root };
  const sh = (text: string) => execFileSync('sh', ['-ec', text], { env: { ...process.env, CELL_ROOT: root } });

  expect(findTool('pulumi-resource-linode', '5.7.0', env)).toBeNull();
  sh(keepTools([{ file: 'pulumi-resource-linode', artefact }]));
  const found = findTool('pulumi-resource-linode', '5.7.0', env) ?? '';
  expect(readFileSync(found, 'utf8')).toBe('#!/bin/sh\n');
  // It goes on from there under the hash that it came by.
  expect((await programArtefact('engine', found)).hash).toBe(artefact.hash);
  sh(keepTools([]));
  expect(readdirSync(join(root, 'opt/cell/engines'))).toEqual([]);
  expect(existsSync(store)).toBe(true);
});

test('no engine is looked for on a kind of machine that there is none for, unless one is needed', async () => {
  const facts = { os: 'FreeBSD', arch: 'amd64' };
  expect(await toolsOn(facts, [], () => {})).toEqual([]);
  await expect(toolsOn(facts, ['pulumi'], () => {})).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
});
