/**
 * Fetches what a computer lacks: the engine of stacks, its plugins, and the Node of another platform. Each is looked for where
 * this computer has it already, then asked of its makers by the ways that they offer, until one gives it; what is believed
 * has the checksum that this program pins, or where it pins none, the one that they publish somewhere else than the file.
 *
 * What was fetched is kept in the cache, by platform and version; a part of a file is never under its name there.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { cachedTool, findPulumi, findTool, isProgram, missing } from '../../stacks/engines/pulumi.find.ts';
import {
  type Archive,
  archiveOf,
  type Checksum,
  isSame,
  type NpmPackage,
  type Platform,
  platformOf,
  runtimeOf,
  shown,
  sumIn,
  type Tool,
  type ToolName,
  toolOf,
} from '../../stacks/tools.ts';
import { CellError, messageOf } from '../errors.ts';
import { packageRoot } from '../programs.ts';

/** For one file: the largest has some hundred MB. */
const WITHIN_MS = 900_000;
const LIST_WITHIN_MS = 60_000;
/** Go compiles some thousand packages: ten minutes, and more on a computer that has other work. */
const BUILD_WITHIN_MS = 3_600_000;

export interface ToolOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Told before something is fetched, in words: it takes a while. */
  readonly onFetch?: (what: string) => void;
  /** Other checksums of archives than the pinned ones, by file. */
  readonly sums?: Readonly<Record<string, string>>;
}

export const ownPlatform = (): Platform | null => platformOf(process.platform, process.arch);

/** The file of a tool for a platform that this computer has already, or null. */
export function toolHere(name: ToolName, platform: Platform, env: NodeJS.ProcessEnv = process.env): string | null {
  const { file, version } = toolOf(name);
  if (isSame(platform, ownPlatform())) return name === 'pulumi' ? findPulumi(env) : findTool(file, version, env);
  const cached = cachedTool(file, version, shown(platform), env);
  return isProgram(cached) ? cached : null;
}

/** The file of a tool for a platform; fetched where it is not here. Throws ENGINE_MISSING with what was tried. */
export async function tool(name: ToolName, platform: Platform, options: ToolOptions = {}): Promise<string> {
  const { env = process.env, onFetch = () => {}, sums } = options;
  const here = toolHere(name, platform, env);
  if (here !== null) return here;
  // Whoever names one wants no other.
  if (name === 'pulumi' && env.CELL_PULUMI && isSame(platform, ownPlatform())) throw missing(env);
  const { file, version } = toolOf(name);
  onFetch(`${file} ${version} for ${shown(platform)}`);
  const failures: string[] = [];
  for (const [way, fetchIt] of ways(name, platform, env, sums)) {
    try {
      return await keep(cachedTool(file, version, shown(platform), env), fetchIt);
    } catch (failure) {
      failures.push(`${way}: ${oneLine(failure)}`);
    }
  }
  throw new CellError('ENGINE_MISSING', `${file} ${version} for ${shown(platform)} cannot be had`, {
    why: failures.join('; '),
    suggestion: `Put ${file} on PATH, let this computer reach Pulumi's servers, or name a mirror of them in CELL_PULUMI_MIRROR.`,
    fields: { tool: file },
  });
}

type Way = readonly [name: string, fetchIt: (into: string) => Promise<string>];

/**
 * In the order in which they are tried. Each puts the program below a folder and gives its path. What checks nothing is not
 * asked for what is pinned: else a server that withholds an archive would choose what is believed instead.
 */
function ways(name: ToolName, platform: Platform, env: NodeJS.ProcessEnv, sums: ToolOptions['sums']): readonly Way[] {
  const one = toolOf(name);
  const mirror = env.CELL_PULUMI_MIRROR?.replace(/\/+$/, '') || undefined;
  const archive = archiveOf(name, platform, { mirror, ...(sums === undefined ? {} : { sums }) });
  const here = isSame(platform, ownPlatform());
  return [
    ["Pulumi's releases", fromArchive(archive)],
    ...(here && name !== 'pulumi' ? [['pulumi plugin install', byPulumi(one, archive, env)] as const] : []),
    ...(here && name === 'pulumi' && archive.pinned === null
      ? [['the npm package pulumi', byNpm(one, env)] as const]
      : []),
    ...(name === 'pulumi' && existsSync(BUILDER()) ? [['its Go module', byGo(platform, env)] as const] : []),
  ];
}

/** The archive from the first server that has it, checked, and the program out of it. */
function fromArchive(archive: Archive): Way[1] {
  return async (into) => {
    const wanted = archive.pinned ?? (await publishedSum(archive));
    const file = join(into, 'archive.tar.gz');
    const url = await downloadOne(archive.urls, file);
    const found = await sumOf(file, wanted.kind, 'hex');
    if (found !== wanted.hex) throw damaged(url, found, wanted.hex);
    return unpack(file, archive.member, into);
  };
}

/**
 * Pulumi's own way, which checks what it gets against the checksum that it is told. (That of 3.253 leaves the last bytes out
 * where they come together with the end, and then refuses what is whole: it is not asked first.)
 */
function byPulumi({ name, version, file }: Tool, archive: Archive, env: NodeJS.ProcessEnv): Way[1] {
  return async (into) => {
    const cli = findPulumi(env);
    if (cli === null) throw new Error('there is no Pulumi CLI');
    const { kind, hex } = archive.pinned ?? (await publishedSum(archive));
    if (kind !== 'sha256') throw new Error(`it checks by SHA-256, and only the ${kind.toUpperCase()} is known`);
    const mirror = env.CELL_PULUMI_MIRROR ? ['--server', dirname(archive.urls[0])] : [];
    const args = ['plugin', 'install', 'resource', name, version, '--exact', '--checksum', hex, ...mirror];
    await run(cli, args, { ...env, PULUMI_HOME: into, PULUMI_SKIP_UPDATE_CHECK: 'true' });
    return join(into, 'plugins', `resource-${name}-v${version}`, file);
  };
}

/** Of the npm package, which brings whichever CLI it is asked for. */
const NPM_PACKAGE = 'pulumi@3.255.0';

/** It asks for no checksum, so its version is all that is known of what it brings. */
function byNpm({ version }: Tool, env: NodeJS.ProcessEnv): Way[1] {
  return async (into) => {
    const made = { ...env, PULUMI_HOME: into, PULUMI_VERSION: version, PULUMI_SKIP_UPDATE_CHECK: 'true' };
    const said = await run('npm', ['exec', '--yes', `--package=${NPM_PACKAGE}`, '--', 'pulumi', 'version'], made);
    if (said.trim() !== `v${version}`) throw new Error(`it brought ${said.trim().slice(0, 40)} and not v${version}`);
    return join(into, 'versions', version, 'bin', 'pulumi');
  };
}

const BUILDER = () => join(packageRoot(), 'tools', 'pulumi', 'build.sh');

/** In a checkout, with Go: what go.sum pins. */
function byGo({ os, arch }: Platform, env: NodeJS.ProcessEnv): Way[1] {
  return async (into) => {
    const target = { GOOS: os, GOARCH: arch === 'x64' ? 'amd64' : arch };
    await run('sh', [BUILDER()], { ...env, ...target, CELL_PULUMI_OUT: into }, { timeout: BUILD_WITHIN_MS });
    return join(into, 'pulumi');
  };
}

/** The Node of a platform, from npm, as an artefact's file. Throws ENGINE_MISSING. */
export async function runtime(
  platform: Platform,
  { env = process.env, onFetch = () => {} }: ToolOptions = {},
  source: NpmPackage | null = runtimeOf(platform),
): Promise<string> {
  if (source === null) throw noRuntime(platform, 'nobody offers one that this program pins');
  const file = cachedTool('node', source.version, shown(platform), env);
  if (isProgram(file)) return file;
  onFetch(`node ${source.version} for ${shown(platform)}`);
  try {
    return await keep(file, (into) => fromNpm(source, into, env));
  } catch (failure) {
    throw noRuntime(platform, `npm: ${oneLine(failure)}`);
  }
}

async function fromNpm({ name, version, integrity, member }: NpmPackage, into: string, env: NodeJS.ProcessEnv) {
  const said = await run('npm', ['pack', `${name}@${version}`, '--json', '--pack-destination', into], env, {
    cwd: into,
  });
  const [packed] = Object.values(JSON.parse(said.slice(said.search(/^[[{]/m))) as object) as { filename: string }[];
  const file = join(into, packed?.filename ?? '');
  const found = `sha512-${await sumOf(file, 'sha512', 'base64')}`;
  if (found !== integrity) throw damaged(`${name}@${version}`, found, integrity);
  return unpack(file, member, into);
}

function noRuntime(platform: Platform, why: string): CellError {
  return new CellError('ENGINE_MISSING', `There is no Node for machines of ${shown(platform)}`, {
    why,
    suggestion: 'Run this where npm reaches its registry, or use an image that has Node.',
  });
}

/** Makes a file of the cache: beside its place, then in one rename. */
async function keep(file: string, make: (into: string) => Promise<string>): Promise<string> {
  await mkdir(dirname(dirname(file)), { recursive: true });
  const draft = await mkdtemp(join(dirname(dirname(file)), '.part-'));
  try {
    const made = await make(draft);
    await chmod(made, 0o755);
    await mkdir(dirname(file), { recursive: true });
    await rename(made, file);
    return file;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** What a maker says that an archive hashes to. */
async function publishedSum({ urls: [url], sums }: Archive): Promise<Checksum> {
  const list = await text(sums);
  const found = sumIn(list, url);
  if (found === null) throw new Error(`${sums} has no checksum of ${url.split('/').at(-1)}`);
  return found;
}

async function text(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LIST_WITHIN_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}

async function download(url: string, file: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file));
}

/** From the first server that gives it; which one that was. Throws what each of them said. */
async function downloadOne(urls: Archive['urls'], file: string): Promise<string> {
  const failures: string[] = [];
  for (const url of urls) {
    try {
      await download(url, file);
      return url;
    } catch (failure) {
      failures.push(oneLine(failure));
    }
  }
  throw new Error(failures.join(', '));
}

async function sumOf(file: string, kind: Checksum['kind'] | 'sha512', as: 'hex' | 'base64'): Promise<string> {
  const hash = createHash(kind);
  await pipeline(createReadStream(file), hash);
  return hash.digest(as);
}

async function unpack(archive: string, member: string, into: string): Promise<string> {
  await run('tar', ['-xzf', archive, '-C', into, '--', member], process.env);
  return join(into, member);
}

function damaged(what: string, found: string, wanted: string): CellError {
  return new CellError('ARTEFACT_CORRUPT', `${what} is not what its makers published`, {
    why: `its checksum is ${found}, and should be ${wanted}`,
  });
}

interface RunOptions {
  readonly cwd?: string;
  readonly timeout?: number;
}

async function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, options: RunOptions = {}) {
  return (await promisify(execFile)(file, [...args], { env, timeout: WITHIN_MS, maxBuffer: 1 << 26, ...options }))
    .stdout;
}

/** What a failure says of itself, as a line: a program's last word of an error, a library's own reason. */
function oneLine(failure: unknown): string {
  const { stderr = '', why, cause } = failure as { stderr?: string; why?: string; cause?: unknown };
  const said = stderr.split('\n').findLast((line) => /error|fail|refus|not found/i.test(line));
  const reason = why ?? (cause instanceof Error ? messageOf(cause) : undefined);
  const words = said ?? (reason === undefined ? messageOf(failure) : `${messageOf(failure)}: ${reason}`);
  return words.trim().slice(0, 500);
}
