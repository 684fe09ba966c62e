/**
 * The programs that stacks of clouds need beside this one: the Pulumi CLI, and a plugin for each of its packages. Which of
 * them a stack needs, in which version, where their makers offer them for a platform, and how large they are. Pure.
 */
import { PULUMI_VERSION } from './engines/pulumi.find.ts';
import { type PackageName, packageOf } from './packages.ts';
import type { StackPlan } from './stack.ts';
import { SUMS } from './sums.ts';

export type ToolName = 'pulumi' | PackageName;

export interface Platform {
  readonly os: 'linux' | 'darwin';
  readonly arch: 'x64' | 'arm64';
}

export interface Tool {
  readonly name: ToolName;
  /** Without a `v`. */
  readonly version: string;
  /** What the program is called. */
  readonly file: string;
  /** On disk, in MB, as it was seen; null where nobody has measured it. */
  readonly disk: number | null;
}

const DISK: Readonly<Partial<Record<ToolName, number>>> = { pulumi: 113, digitalocean: 54, linode: 95 };

/**
 * MB of memory that an `up` takes at most while it runs, the CLI, this program and a plugin together: seen with DigitalOcean's
 * and Linode's. AWS's plugin alone has 320 to 430 (pulumi-aws, issue 5860, of 7.3.1).
 */
const USUAL_MB = 350;
const DIVISION: Readonly<Partial<Record<ToolName, number>>> = { aws: 650 };

/** The same for what runs with these tools. */
export const divisionMb = (names: readonly string[]): number =>
  Math.max(USUAL_MB, ...names.map((name) => DIVISION[name as ToolName] ?? 0));

const OSES: Readonly<Record<string, Platform['os']>> = { linux: 'linux', darwin: 'darwin' };
const ARCHES: Readonly<Record<string, Platform['arch']>> = {
  ...{ x64: 'x64', x86_64: 'x64', amd64: 'x64' },
  ...{ arm64: 'arm64', aarch64: 'arm64' },
};
const own = <T>(of: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(of, key) ? of[key] : undefined;

/** As `uname -s` and `uname -m` say it, or Node; null for one that nothing is offered for. */
export function platformOf(os: string, arch: string): Platform | null {
  const [known, on] = [own(OSES, os.toLowerCase()), own(ARCHES, arch.toLowerCase())];
  return known === undefined || on === undefined ? null : { os: known, arch: on };
}

export const isSame = (one: Platform | null, other: Platform | null): boolean =>
  one !== null && other !== null && one.os === other.os && one.arch === other.arch;

export const shown = ({ os, arch }: Platform): string => `${os}-${arch}`;

export function toolOf(name: ToolName): Tool {
  const file = name === 'pulumi' ? 'pulumi' : `pulumi-resource-${name}`;
  const version = name === 'pulumi' ? PULUMI_VERSION.slice(1) : packageOf(name)?.version;
  if (version === undefined) throw new Error(`there is no tool ${name}`);
  return { name, version, file, disk: DISK[name] ?? null };
}

/** What stacks need: nothing where the embedded engine runs them all, else the CLI and the plugins of their resources. */
export function toolsOf(plans: readonly Pick<StackPlan, 'engine' | 'resources'>[]): readonly ToolName[] {
  const clouded = plans.filter(({ engine }) => engine === 'pulumi');
  if (clouded.length === 0) return [];
  const packages = clouded.flatMap(({ resources }) => resources.map(({ type }) => type.split(':')[0] ?? ''));
  const plugins = [...new Set(packages)].filter((name): name is PackageName => packageOf(name) !== null);
  return ['pulumi', ...plugins.sort()];
}

export interface Checksum {
  /** SHA-1 is all that Pulumi publishes of its plugins. */
  readonly kind: 'sha256' | 'sha1';
  readonly hex: string;
}

export interface Archive {
  /** Where it is offered: the same file on several servers, in the order in which they are asked. */
  readonly urls: readonly [string, ...string[]];
  /** What this program knows that it hashes to; null for what nothing is pinned of. */
  readonly pinned: Checksum | null;
  /** A list of lines `<checksum>  <file>` of its maker, which counts where nothing is pinned. */
  readonly sums: string;
  /** The program's path in it. */
  readonly member: string;
}

const RELEASES = 'https://get.pulumi.com';
const SOURCES = 'https://github.com';

/** Where Pulumi offers a tool. `mirror`: one server that has the same files at the same paths. */
export function archiveOf(name: ToolName, { os, arch }: Platform, { mirror, sums = SUMS }: Sources = {}): Archive {
  const { version, file } = toolOf(name);
  const releases = `${mirror ?? RELEASES}/releases`;
  const repository = name === 'pulumi' ? 'pulumi' : `pulumi-${name}`;
  const sources = `${mirror ?? SOURCES}/pulumi/${repository}/releases/download/v${version}`;
  const theirs = arch === 'x64' && name !== 'pulumi' ? 'amd64' : arch;
  const archive = `${file}-v${version}-${os}-${theirs}.tar.gz`;
  const hex = own(sums, archive);
  return {
    urls: [`${releases}/${name === 'pulumi' ? 'sdk' : 'plugins'}/${archive}`, `${sources}/${archive}`],
    pinned: hex === undefined ? null : { kind: 'sha256', hex },
    // That of the CLI is beside it, too; a plugin's only where its sources are.
    sums:
      name === 'pulumi'
        ? `${releases}/sdk/pulumi-${version}-checksums.txt`
        : `${sources}/${repository}_${version}_checksums.txt`,
    member: name === 'pulumi' ? 'pulumi/pulumi' : file,
  };
}

export interface Sources {
  readonly mirror?: string | undefined;
  /** Other checksums than this program's own, by file. */
  readonly sums?: Readonly<Record<string, string>>;
}

/** The checksum of a file in such a list, as `sha256sum` and `shasum` write it, or null. */
export function sumIn(list: string, url: string): Checksum | null {
  const file = url.split('/').at(-1);
  for (const line of list.split('\n')) {
    const [, sum, name] = /^([0-9a-f]{64}|[0-9a-f]{40})[ \t]+\*?(?:\.\/)?(\S+)\s*$/i.exec(line) ?? [];
    if (sum !== undefined && name === file) {
      return { kind: sum.length === 64 ? 'sha256' : 'sha1', hex: sum.toLowerCase() };
    }
  }
  return null;
}

/** The Node that cells get: the one that package.json pins, for platforms other than this computer's from npm. */
export const NODE_VERSION = '24.21.0';

/** By platform: what npm calls it, and what its package hashes to. */
const RUNTIMES: Readonly<Record<string, string>> = {
  'linux-x64': 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'linux-arm64': 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As npm writes it: `sha512-…`. */
  readonly integrity: string;
  readonly member: string;
}

/** The package that brings a platform's Node; null where cells are not run on it. */
export function runtimeOf(platform: Platform): NpmPackage | null {
  const integrity = own(RUNTIMES, shown(platform));
  if (integrity === undefined) return null;
  return { name: `node-${shown(platform)}`, version: NODE_VERSION, integrity, member: 'package/bin/node' };
}
