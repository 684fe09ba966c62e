/**
 * The artefact set of an imprint: what a blank machine needs to be a cell, by content.
 *
 *   cli      the bundled CLI (bin, dist, manifest); always needed
 *   runtime  the Node that runs it; left out where the machine has one that fits
 *   packages Debian packages that its image lacks (packages.ts)
 *   engine   the Pulumi CLI or a plugin of it, for a cell whose stacks need them (tools.ts)
 *
 * An artefact is a folder `store/<sha256>/`, whose name is the hash of the listing of its files. It is sent as one tar
 * stream, only where it is missing, unpacked beside its place, checked file by file with `sha256sum` on the machine
 * itself, and moved into place in one rename. A truncated or altered one never gets a name.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CellError } from '../errors.ts';
import { GREETING_BYTES, GREETING_S } from '../memory/limits.ts';
import { packageRoot } from '../programs.ts';
import { shellQuote } from './quote.ts';
import { type Remote, remoteFailure } from './ssh.ts';

/** The oldest Node that runs the CLI: `engines.node` of package.json. */
export const OLDEST_NODE: readonly [number, number] = [22, 18];

export interface Artefact {
  readonly kind: 'cli' | 'runtime' | 'packages' | 'engine';
  /** sha256 (hex) of the listing: one line `<sha256>  <path>` a file, sorted by path. */
  readonly hash: string;
  readonly folder: string;
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly bytes: number }[];
}

/** What a machine said of itself before it was imprinted. */
export interface MachineFacts {
  readonly os: string;
  readonly arch: string;
  /** Version of the Node on its PATH, or null. */
  readonly node: readonly [number, number] | null;
  readonly stored: readonly string[];
  /** Programs without which nothing can be sent. */
  readonly missing: readonly string[];
  /** What it answered to more that was asked, by word. */
  all(word: string): readonly string[];
}

async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function listing(folder: string, roots: readonly string[]): Promise<Artefact['files']> {
  const files: { path: string; sha256: string; bytes: number }[] = [];
  async function walk(path: string): Promise<void> {
    const stat = await lstat(join(folder, path));
    if (stat.isDirectory()) {
      for (const entry of (await readdir(join(folder, path))).sort()) await walk(`${path}/${entry}`);
    } else if (stat.isFile()) {
      files.push({ path, sha256: await sha256OfFile(join(folder, path)), bytes: stat.size });
    }
  }
  for (const root of roots) await walk(root);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

const CHECKSUMS = (artefact: Artefact) => artefact.files.map((file) => `${file.sha256}  ${file.path}\n`).join('');

/** A folder as an artefact. Throws ARTEFACT_CORRUPT when it lies in a store under another checksum. */
export async function folderArtefact(
  kind: Artefact['kind'],
  folder: string,
  roots: readonly string[],
): Promise<Artefact> {
  const files = await listing(folder, roots);
  const lines = files.map((file) => `${file.sha256}  ${file.path}\n`).join('');
  const hash = createHash('sha256').update(lines).digest('hex');
  const stored = basename(folder);
  if (/^[0-9a-f]{64}$/.test(stored) && stored !== hash) {
    // What came to this machine whole is not whole any more: it must not go on to the next.
    throw new CellError('ARTEFACT_CORRUPT', `The ${kind} on this machine is damaged`, {
      why: `its content does not have the checksum it is named by, ${stored.slice(0, 12)}…`,
      suggestion: 'Look at the disk. The cell makes no children until it is whole; `cell destroy CELL` takes it apart.',
    });
  }
  return { kind, folder, files, hash };
}

/** The CLI this process runs from. Throws ARTEFACT_CORRUPT when it was not built, or is damaged. */
export async function cliArtefact(): Promise<Artefact> {
  const folder = packageRoot();
  try {
    return await folderArtefact('cli', folder, ['bin/cell.js', 'dist', 'oclif.manifest.json', 'package.json']);
  } catch (cause) {
    if (cause instanceof CellError) throw cause;
    throw new CellError('ARTEFACT_CORRUPT', 'The CLI has no bundle to put on machines', {
      why: `a part of it is missing below ${folder}`,
      suggestion: 'In a checkout, run `npm run build`; otherwise install the package again.',
      cause,
    });
  }
}

/** One program, as what is sent to machines: the folder that it lies in, wherever a link leads, and it alone. */
export async function programArtefact(kind: 'engine' | 'runtime', path: string): Promise<Artefact> {
  const file = await realpath(path);
  return folderArtefact(kind, dirname(file), [basename(file)]);
}

/** The Node this process runs on. */
export async function runtimeArtefact(): Promise<Artefact> {
  return programArtefact('runtime', process.execPath);
}

const PROBE = `printf 'os=%s\\narch=%s\\n' "$(uname -s)" "$(uname -m)"
command -v node >/dev/null 2>&1 && printf 'node=%s\\n' "$(node --version)"
for tool in git ssh tar sha256sum; do command -v $tool >/dev/null 2>&1 || printf 'missing=%s\\n' $tool; done
ls "\${CELL_ROOT:-}/opt/cell/store" 2>/dev/null | sed 's/^/stored=/'
[ ! -f "\${CELL_ROOT:-}/var/lib/cell-claim/claim" ] || touch "\${CELL_ROOT:-}/var/lib/cell-claim/claim"`;

/**
 * Asks a machine what it is and what it has, and what else `more` (lines for its shell) makes it say as `word=…`. Where its
 * owner lends it, this renews the lease: whoever asks is in by a key that a claim put there, and that goes with it (a stem
 * cell is asked from time to time, so it stays claimed).
 */
export async function probe(remote: Remote, more = ''): Promise<MachineFacts> {
  const lines = (await remote.must(`${PROBE}\n${more}\ntrue`)).split('\n');
  const all = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  const version = /^v(\d+)\.(\d+)\./.exec(all('node')[0] ?? '');
  return {
    os: all('os')[0] ?? 'unknown',
    arch: all('arch')[0] ?? 'unknown',
    node: version === null ? null : [Number(version[1]), Number(version[2])],
    stored: all('stored').filter((name) => /^[0-9a-f]{64}$/.test(name)),
    missing: all('missing'),
    all,
  };
}

/** Whether a machine's own Node runs the CLI. */
export function nodeFits(node: MachineFacts['node']): boolean {
  if (node === null) return false;
  return node[0] > OLDEST_NODE[0] || (node[0] === OLDEST_NODE[0] && node[1] >= OLDEST_NODE[1]);
}

export interface SendProgress {
  readonly kind: Artefact['kind'];
  readonly bytes: number;
  readonly total: number;
}

/**
 * Sends one artefact unless the machine has it. What came with the machine, and not from us, is looked through first; what
 * is not whole is sent anew. Throws ARTEFACT_CORRUPT when what arrived is not what was sent. Gives the number of bytes that
 * were sent (0: it was there).
 *
 * @param ours whether all in the machine's store was sent, and checked, by this cell: a stem cell.
 */
export async function send(
  remote: Remote,
  facts: MachineFacts,
  item: Artefact,
  onProgress: (progress: SendProgress) => void = () => {},
  ours = false,
): Promise<number> {
  const place = `"\${CELL_ROOT:-}/opt/cell/store"`;
  const check = async (folder: string) =>
    remote.run(`cd ${place}/${folder} && sha256sum --check --quiet --strict -`, { stdin: CHECKSUMS(item) });
  if (facts.stored.includes(item.hash) && (ours || (await check(item.hash)).code === 0)) return 0;
  const total = item.files.reduce((sum, file) => sum + file.bytes, 0);
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      bytes += chunk.length;
      onProgress({ kind: item.kind, bytes: Math.min(bytes, total), total });
      pass(null, chunk);
    },
  });
  const [only] = item.files;
  const alone = item.files.length === 1 && only !== undefined && !only.path.includes('/') ? only : null;
  if (alone === null) {
    const tar = spawn('tar', ['-C', item.folder, '-cf', '-', '--', ...item.files.map((file) => file.path)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // First what it must be, ended by an empty line, then what it is: one command does it all.
    counted.write(`${CHECKSUMS(item)}\n`);
    tar.stdout.pipe(counted);
  } else {
    pipeline(createReadStream(join(item.folder, alone.path)), counted).catch(() => {});
  }
  const unpack = `set -e; mkdir -p ${place}; cd ${place}; rm -rf .part-${item.hash}-*
part=.part-${item.hash}-$$; mkdir "$part"
${alone === null ? TAKE_TREE : takeFile(alone)}
rm -rf "$part.sums" ${item.hash}; mv "$part" ${item.hash}`;
  const result = await remote.run(unpack, { stdin: counted });
  if (result.code === 0) return total;
  // A tar that ended early left fewer files, or half of one, than its checksums say.
  const whole = result.code !== DIFFERS && !/^tar: .*(?:EOF|truncated|look like|Skipping)/m.test(result.stderr);
  if (whole) throw remoteFailure(remote.reach, `unpack ${item.kind}`, result);
  throw new CellError('ARTEFACT_CORRUPT', `The ${item.kind} did not arrive whole at ${remote.reach.address}`, {
    why: (result.stdout.trim() || result.stderr.trim()).split('\n')[0] ?? 'a checksum differs',
    suggestion: 'The same command again sends it anew.',
  });
}

/** The exit code by which a machine says that what arrived is not what was to come. */
const DIFFERS = 65;

/** Many files, as a tar, are checked when they are there. */
const TAKE_TREE = `while IFS= read -r line && [ -n "$line" ]; do echo "$line"; done > "$part.sums"
tar -C "$part" -xf -
( cd "$part" && sha256sum --check --quiet --strict "../$part.sums" ) || { rm -rf "$part" "$part.sums"; exit ${DIFFERS}; }`;

/** One large program is checked on its way in, and by its size when it is there. */
const takeFile = ({ path, sha256, bytes }: Artefact['files'][number]) => `file="$part"/${shellQuote(path)}
sum=$(tee "$file" | sha256sum)
[ "\${sum%% *}" = ${sha256} ] || { rm -rf "$part"; echo "its checksum is \${sum%% *}"; exit ${DIFFERS}; }
[ "$(wc -c < "$file")" -eq ${bytes} ] || { rm -rf "$part"; exit 1; }
chmod 755 "$file"`;

/** The Node that was brought: its artefact, and the program in it. */
export interface Runtime {
  readonly hash: string;
  readonly file: string;
}

/** The shell text of `/opt/cell/bin/cell`: the CLI of one artefact on one runtime. */
export function shim(cliHash: string, runtime: Runtime | null): string {
  const node = runtime === null ? 'node' : `"$root/opt/cell/store/${runtime.hash}/${runtime.file}"`;
  return `#!/bin/sh
root="\${CELL_ROOT:-}"
export CELL_HOME="\${CELL_HOME:-$root/var/lib/cell}"
# What a tick has to fetch must be there for the next one: its sandbox has an empty /root.
export CELL_CACHE="\${CELL_CACHE:-$CELL_HOME/cache}"
# A peer that knows the same as this cell is told so without a Node being started (memory/greeting.ts).
if [ "\${1:-}" = sync ] && [ "\${2:-}" = --serve ]; then
  # As long as a digest is, and not a byte more: the rest is not for the shell, and a line need not end, nor come.
  patience=
  command -v timeout >/dev/null && patience="timeout ${GREETING_S}"
  theirs="$($patience head -c ${GREETING_BYTES})"
  [ -n "$theirs" ] || exit 1
  ours=
  [ -r "$CELL_HOME/door/digest" ] && IFS= read -r ours < "$CELL_HOME/door/digest"
  if [ -n "$ours" ] && [ "$theirs" = "$ours" ]; then
    echo same
    exit 0
  fi
  echo more
  set -- "$@" --greeted
fi
exec ${node} "$root/opt/cell/store/${cliHash}/bin/cell.js" "$@"
`;
}

/** Puts the command in its place, in one rename, and on the PATH of whoever logs in; the runtime where functions find it. */
export async function installShim(remote: Remote, text: string, runtime: Runtime | null): Promise<void> {
  const lines = [
    `set -e; umask 022; d="\${CELL_ROOT:-}/opt/cell/bin"; mkdir -p "$d"`,
    `cat > "$d/.cell.$$"; chmod 755 "$d/.cell.$$"; mv "$d/.cell.$$" "$d/cell"`,
    `b="\${CELL_ROOT:-}/usr/local/bin"; mkdir -p "$b"; ln -sfn "$d/cell" "$b/cell"`,
  ];
  if (runtime !== null) {
    lines.push(
      `r="\${CELL_ROOT:-}/opt/cell/runtime"; mkdir -p "$r"`,
      `ln -sfn "../store/${runtime.hash}/${runtime.file}" "$r/node"`,
    );
  }
  await remote.must(lines.join('\n'), { stdin: text });
}
