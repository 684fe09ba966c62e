/** Tools fetched by every way that their makers offer, from stand-ins of these on loopback: checked, kept, and refused. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownPlatform, runtime, tool, toolHere } from '../../src/effects/tools.ts';
import type { CellError } from '../../src/errors.ts';
import { findPulumi } from '../../stacks/engines/pulumi.find.ts';
import { archiveOf, type Platform, toolOf } from '../../stacks/tools.ts';

const OWN = ownPlatform() as Platform;
const OTHER: Platform = { os: 'linux', arch: OWN.arch === 'x64' ? 'arm64' : 'x64' };
const PROGRAM = '#!/bin/sh\necho a stand-in\n';

let base: string;
let server: Server;
/** What is offered, by path, and what was asked for. */
let offered: Map<string, Buffer | string>;
let asked: string[];
let mirror: string;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'cell-fetch-'));
  [offered, asked] = [new Map(), []];
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    asked.push(path);
    const body = offered.get(path);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(base, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const pathIn = (url: string) => url.slice(mirror.length);

/** An archive with the program at a path in it. */
function packed(member: string, text = PROGRAM): Buffer {
  const folder = mkdtempSync(join(base, 'packed-'));
  mkdirSync(join(folder, dirname(member)), { recursive: true });
  writeFileSync(join(folder, member), text, { mode: 0o755 });
  return execFileSync('tar', ['-czf', '-', '-C', folder, member.split('/')[0] as string]);
}

/** Offers a tool for a platform as its maker does. */
function offer(name: Parameters<typeof toolOf>[0], platform: Platform, change: { sum?: string; server?: number } = {}) {
  const { urls, sums, member } = archiveOf(name, platform, { mirror });
  const bytes = packed(member);
  const path = pathIn(urls[change.server ?? 0] as string);
  offered.set(path, bytes);
  offered.set(pathIn(sums), `${change.sum ?? sha256(bytes)}  ${fileOf(name, platform)}\n`);
  return path;
}

const fileOf = (name: Parameters<typeof toolOf>[0], platform: Platform) =>
  archiveOf(name, platform).urls[0].split('/').at(-1) as string;

/** Where nothing is pinned, as for the platforms that nobody has checksums of: the stand-ins' archives are not the makers'. */
const sums = {};

/** A computer with nothing of it: no engine on PATH, no cache, no Go and no npm but what a test puts there. */
function bare(...programs: readonly (readonly [name: string, text: string])[]): NodeJS.ProcessEnv {
  const bin = mkdtempSync(join(base, 'bin-'));
  for (const name of ['sh', 'tar', 'gzip', 'mkdir', 'mv', 'rm', 'dirname', 'grep', 'cat', 'chmod', 'printf', 'node']) {
    const at = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    if (at.startsWith('/')) writeFileSync(join(bin, name), `#!/bin/sh\nexec ${at} "$@"\n`, { mode: 0o755 });
  }
  // What the line above names is not looked for again by itself.
  for (const [name, text] of programs) writeFileSync(join(bin, name), text, { mode: 0o755 });
  return { PATH: bin, HOME: base, CELL_CACHE: join(base, 'cache'), CELL_PULUMI_MIRROR: mirror };
}

const left = () =>
  readdirSync(join(base, 'cache'), { recursive: true, encoding: 'utf8' }).filter((one) => one.includes('.part'));

describe('an archive of the makers', () => {
  test.each(['pulumi', 'linode'] as const)('of another platform: %s', async (name) => {
    offer(name, OTHER);
    const env = bare();
    expect(toolHere(name, OTHER, env)).toBeNull();
    const told: string[] = [];
    const file = await tool(name, OTHER, { env, sums, onFetch: (what) => told.push(what) });
    expect(readFileSync(file, 'utf8')).toBe(PROGRAM);
    expect(execFileSync(file, { encoding: 'utf8' })).toBe('a stand-in\n');
    expect(told).toEqual([`${toolOf(name).file} ${toolOf(name).version} for ${OTHER.os}-${OTHER.arch}`]);
    // Once here, nobody is asked again; and it is not taken for one of this computer's.
    const before = asked.length;
    expect(await tool(name, OTHER, { env, sums })).toBe(file);
    expect(toolHere(name, OWN, env)).toBeNull();
    expect(asked.length).toBe(before);
    expect(left()).toEqual([]);
  });

  test('that is not what they published is refused, and nothing of it is kept', async () => {
    offer('linode', OTHER, { sum: 'a'.repeat(64) });
    const env = bare();
    await expect(tool('linode', OTHER, { env, sums })).rejects.toMatchObject({
      code: 'ENGINE_MISSING',
      why: expect.stringMatching(/is not what its makers published: its checksum is [0-9a-f]{64}, and should be a{64}/),
    });
    expect(toolHere('linode', OTHER, env)).toBeNull();
    expect(left()).toEqual([]);
    // Mended there, the same call gets it.
    offer('linode', OTHER);
    expect(existsSync(await tool('linode', OTHER, { env, sums }))).toBe(true);
  });

  test('that no list of theirs has is not even fetched', async () => {
    const path = offer('linode', OTHER);
    offered.set(pathIn(archiveOf('linode', OTHER, { mirror }).sums), 'nothing of it\n');
    await expect(tool('linode', OTHER, { env: bare(), sums })).rejects.toMatchObject({ why: /has no checksum of/ });
    expect(asked).not.toContain(path);
  });

  test('of a plugin is held against what they publish of it, as they write it', async () => {
    const path = offer('linode', OTHER);
    const sha1 = createHash('sha1')
      .update(offered.get(path) as Buffer)
      .digest('hex');
    const list = pathIn(archiveOf('linode', OTHER, { mirror }).sums);
    const line = (sum: string) => `${sum}  ./${fileOf('linode', OTHER)}\n`;
    offered.set(list, line('b'.repeat(40)));
    await expect(tool('linode', OTHER, { env: bare(), sums })).rejects.toMatchObject({
      why: expect.stringContaining(`its checksum is ${sha1}, and should be ${'b'.repeat(40)}`),
    });
    offered.set(list, line('c'.repeat(40)) + line(sha1));
    await expect(tool('linode', OTHER, { env: bare(), sums })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
    offered.set(list, line(sha1));
    expect(existsSync(await tool('linode', OTHER, { env: bare(), sums }))).toBe(true);
  });

  test('of another server counts where the first has none', async () => {
    offer('linode', OTHER, { server: 1 });
    const file = await tool('linode', OTHER, { env: bare(), sums });
    expect(readFileSync(file, 'utf8')).toBe(PROGRAM);
  });

  test('that they do not offer is missing, with what to do', async () => {
    const error = await tool('aws', OTHER, { env: bare(), sums }).catch((thrown: unknown) => thrown as CellError);
    expect(error).toMatchObject({ code: 'ENGINE_MISSING', fields: { tool: 'pulumi-resource-aws' } });
    expect((error as CellError).why).toContain('answered 404');
    expect((error as CellError).suggestion).toContain('CELL_PULUMI_MIRROR');
  });
});

describe('what is pinned', () => {
  const pin = (path: string, name: 'linode' | 'pulumi', platform: Platform) => ({
    [fileOf(name, platform)]: sha256(offered.get(path) as Buffer),
  });

  test('is believed by its own checksum, and no list is asked', async () => {
    const path = offer('linode', OTHER, { sum: 'a'.repeat(64) });
    const file = await tool('linode', OTHER, { env: bare(), sums: pin(path, 'linode', OTHER) });
    expect(readFileSync(file, 'utf8')).toBe(PROGRAM);
    expect(asked).toEqual([path]);
  });

  test('and was changed on the server is refused, whatever its list says of it', async () => {
    const path = offer('linode', OTHER);
    const pinned = pin(path, 'linode', OTHER);
    offered.set(path, packed('pulumi-resource-linode', '#!/bin/sh\necho something else\n'));
    offered.set(
      pathIn(archiveOf('linode', OTHER, { mirror }).sums),
      `${sha256(offered.get(path) as Buffer)}  ${fileOf('linode', OTHER)}\n`,
    );
    const env = bare();
    await expect(tool('linode', OTHER, { env, sums: pinned })).rejects.toMatchObject({
      why: expect.stringContaining(`and should be ${Object.values(pinned)[0]}`),
    });
    expect(toolHere('linode', OTHER, env)).toBeNull();
    expect(left()).toEqual([]);
  });

  test('does not come from what checks nothing, where a server withholds it', async () => {
    const npm = '#!/bin/sh\n: > "$HOME/npm-was-asked"\nexit 1\n';
    const env = bare(['npm', npm], ['go', '#!/bin/sh\nexit 1\n']);
    const pinned = { [fileOf('pulumi', OWN)]: 'a'.repeat(64) };
    await expect(tool('pulumi', OWN, { env, sums: pinned })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
    expect(existsSync(join(base, 'npm-was-asked'))).toBe(false);
    await expect(tool('pulumi', OWN, { env, sums })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
    expect(existsSync(join(base, 'npm-was-asked'))).toBe(true);
  });
});

describe('what is here already', () => {
  test('on PATH goes before what would be fetched', async () => {
    const env = bare(['pulumi-resource-linode', PROGRAM]);
    expect(await tool('linode', OWN, { env, sums })).toBe(join(env.PATH as string, 'pulumi-resource-linode'));
    expect(asked).toEqual([]);
    // For another kind of machine it is of no use.
    await expect(tool('linode', OTHER, { env, sums })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
  });
});

test('a CLI that is named and not there is not replaced by another', async () => {
  offer('pulumi', OWN);
  const env = { ...bare(), CELL_PULUMI: join(base, 'nothing') };
  await expect(tool('pulumi', OWN, { env, sums })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
  expect(asked).toEqual([]);
});

describe('for this computer', () => {
  const { version } = toolOf('pulumi');

  test('the npm package brings the CLI, where the archive cannot be had', async () => {
    const npm = `#!/bin/sh
[ "$1 $2" = 'exec --yes' ] || exit 1
mkdir -p "$PULUMI_HOME/versions/$PULUMI_VERSION/bin"
printf '#!/bin/sh\\necho from npm\\n' > "$PULUMI_HOME/versions/$PULUMI_VERSION/bin/pulumi"
echo "v$PULUMI_VERSION"
`;
    const env = bare(['npm', npm]);
    const file = await tool('pulumi', OWN, { env, sums });
    expect(execFileSync(file, { encoding: 'utf8' })).toBe('from npm\n');
    expect(findPulumi(env)).toBe(file);
  });

  test('of another version, what npm brings is refused; then it is built from its Go module', async () => {
    const go = `#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
printf '#!/bin/sh\\necho "v${version} for %s"\\n' "$GOARCH" > "$out"
chmod 755 "$out"
`;
    const env = bare(['npm', '#!/bin/sh\necho v1.0.0\n'], ['go', go]);
    const file = await tool('pulumi', OWN, { env, sums });
    expect(execFileSync(file, { encoding: 'utf8' })).toBe(
      `v${version} for ${OWN.arch === 'x64' ? 'amd64' : OWN.arch}\n`,
    );
    // For another platform, too: Go builds for all.
    expect(execFileSync(await tool('pulumi', OTHER, { env, sums }), { encoding: 'utf8' })).toMatch(/amd64|arm64/);
  });

  test('the CLI installs a plugin by the published checksum, where the archive cannot be had', async () => {
    const { version: linode, file: called } = toolOf('linode');
    const path = offer('linode', OWN);
    const sum = sha256(offered.get(path) as Buffer);
    offered.delete(path);
    const cli = `#!/bin/sh
echo "$*" > "$HOME/args"
mkdir -p "$PULUMI_HOME/plugins/resource-linode-v${linode}"
printf '#!/bin/sh\necho by the CLI\n' > "$PULUMI_HOME/plugins/resource-linode-v${linode}/${called}"
`;
    const env = bare(['pulumi', cli]);
    const found = await tool('linode', OWN, { env, sums });
    expect(execFileSync(found, { encoding: 'utf8' })).toBe('by the CLI\n');
    expect(readFileSync(join(base, 'args'), 'utf8').trim()).toBe(
      `plugin install resource linode ${linode} --exact --checksum ${sum} --server ${mirror}/releases/plugins`,
    );
  });

  test('where all fails, each way says why', async () => {
    const failing = (why: string) => `#!/bin/sh\necho "error: ${why}" >&2\nexit 1\n`;
    const env = bare(['npm', failing('no registry')], ['go', failing('no proxy')]);
    const { why = '' } = (await tool('pulumi', OWN, { env, sums }).catch(
      (thrown: unknown) => thrown as CellError,
    )) as CellError;
    expect(why).toMatch(/Pulumi's releases: .*404; the npm package pulumi: .*no registry; its Go module: .*no proxy/);
  });
});

describe('the Node of another platform', () => {
  /** A registry with one package, as npm asks it. */
  function publish(): {
    readonly name: string;
    readonly version: string;
    readonly integrity: string;
    readonly member: string;
  } {
    const [name, version] = ['node-stand-in', '1.2.3'];
    const folder = mkdtempSync(join(base, 'npm-'));
    mkdirSync(join(folder, 'package/bin'), { recursive: true });
    writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version }));
    writeFileSync(join(folder, 'package/bin/node'), PROGRAM, { mode: 0o755 });
    const bytes = execFileSync('tar', ['-czf', '-', '-C', folder, 'package']);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    const tarball = `/${name}/-/${name}-${version}.tgz`;
    offered.set(tarball, bytes);
    const dist = { tarball: `${mirror}${tarball}`, integrity };
    offered.set(
      `/${name}`,
      JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { name, version, dist } } }),
    );
    return { name, version, integrity, member: 'package/bin/node' };
  }
  const withNpm = (): NodeJS.ProcessEnv => ({
    ...bare(),
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    npm_config_registry: `${mirror}/`,
    npm_config_cache: join(base, 'npm-cache'),
    npm_config_userconfig: join(base, 'npmrc'),
  });

  test('comes from npm, by its hash, once', { timeout: 60_000 }, async () => {
    const source = publish();
    const env = withNpm();
    const file = await runtime(OTHER, { env }, source);
    expect(execFileSync(file, { encoding: 'utf8' })).toBe('a stand-in\n');
    const before = asked.length;
    expect(await runtime(OTHER, { env }, source)).toBe(file);
    expect(asked.length).toBe(before);
  });

  test('of another hash than the pinned one is refused, whatever the registry says of it', {
    timeout: 60_000,
  }, async () => {
    const source = { ...publish(), integrity: `sha512-${'A'.repeat(86)}==` };
    await expect(runtime(OTHER, { env: withNpm() }, source)).rejects.toMatchObject({
      code: 'ENGINE_MISSING',
      why: expect.stringContaining('is not what its makers published'),
    });
  });

  test('there is none for a platform that nothing is pinned of', async () => {
    await expect(runtime({ os: 'darwin', arch: 'x64' })).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
  });
});
