/**
 * One pass of a copy by rsync: after it the target is what the source was, and a function that went on meanwhile has
 * changed only some of it since. The last pass is made with the function stopped.
 *
 * What differs is told by size and time. That misses a file that is written again at the time it already has: twice
 * within a tick of the kernel's clock, or through a mapping, where only the first write to a page counts. So each pass
 * compares by content what was changed since the one before it began, and each begins with a sync of the file system,
 * which makes the next write through a mapping count again. In this order:
 *
 *   1  the target says since when it is a copy; the source says what time it is, and what was changed since
 *   2  large files among those, in place, block by block: nothing is written that is there already
 *   3  the others among those, by checksum
 *   4  everything else: what is new, what is gone, what differs
 *   5  the target is a copy since the time of 1
 */
import { CellError } from '../errors.ts';
import { COPY, FROM, must } from './room.ts';
import { type RsyncResult, rsync, type Tools } from './rsync.ts';
import type { Side } from './side.ts';

export interface Passing {
  readonly from: Side;
  readonly to: Side;
  /** Below both folders. */
  readonly paths: readonly string[];
  /** The function stands still: whatever cannot be copied is a failure. */
  readonly last: boolean;
  readonly tools: Tools;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface Passed {
  /** Over the connection. */
  readonly bytes: number;
  /** ms, without the sync before. */
  readonly ms: number;
}

/** From this size on a copy beside the old file costs more than reading both, bytes. */
const LARGE = 16 * 2 ** 20;
/** A file system with much to write is not waited for longer than this, s. */
const SYNC_S = 20;

/** Prepares the target and says since when it is a copy. */
const ARRIVE = `umask 077; mkdir -p ${COPY} && rm -rf ${COPY}/new && mkdir ${COPY}/new && { cat ${COPY}/since || true; } 2>/dev/null`;
const keep = (since: number) => `printf %s ${since} > ${COPY}/since.new && mv ${COPY}/since.new ${COPY}/since`;

/** Names a link on the way to a path: what is behind it is not in the folder. The last of a path may be a link. */
const LINKS = `xargs -0 -r sh -c '
for path; do
  while above=\${path%/*}; [ "$above" != "$path" ]; do path=$above; [ ! -L "$path" ] || printf "%s" "$path"; done
done' sh`;

/** Files changed after a time, each as \`LINKS SIZE ./NAME\`. What vanishes meanwhile is not there. */
const changedSince = (since: number) =>
  `xargs -0 -r sh -c 'find "$@" -type f -newermt @${since - 1} -printf "%n %s %p\\0" 2>/dev/null; true' sh`;
/** Of files that are there, the same. */
const SEEN = `xargs -0 -r stat --printf '%h %s %n\\0' -- 2>/dev/null; true`;

/**
 * Of the paths, those that are there; and what takes the others away. Not by rsync's --delete-missing-args: newer versions
 * then take a path that is missing for a damaged one (`invalid file mode 00`).
 */
const PRESENT = `xargs -0 -r sh -c '
for path; do if [ -e "$path" ] || [ -L "$path" ]; then printf "%s\\0" "$path"; fi; done' sh`;
const REMOVE = 'xargs -0 -r rm -rf --';

interface Seen {
  readonly links: number;
  readonly size: number;
  readonly name: string;
}

/** What a line of the two above said; pure. */
export function seenIn(stdout: string): readonly Seen[] {
  return stdout
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const [, links = '0', size = '0', name = ''] = /^(\d+) (\d+) (.*)$/s.exec(line) ?? [];
      return { links: Number(links), size: Number(size), name };
    });
}

const listed = (paths: readonly string[]): string => paths.map((path) => `./${path}\0`).join('');

/** Copies once. Throws REMOTE_FAILED, NOT_ALLOWED for a path through a link, and what the connection throws. */
export async function pass(passing: Passing): Promise<Passed> {
  const { from, to, paths, last, tools, onBytes } = passing;
  const link = (await from.sh(LINKS, listed(paths))).stdout;
  if (link !== '') {
    throw new CellError('NOT_ALLOWED', `${link} is a link, and data is never copied through one`, {
      suggestion: 'Name the folder it points at in `data`, if that is below the folder of the function.',
    });
  }
  const before = Number((await must(to, 'The folder for the data could not be made', ARRIVE)) || Number.NaN);
  const [now, synced] = await begin(from, last);
  if (Number.isNaN(before)) await must(to, 'The folder for the data cannot be written', keep(now));
  const began = performance.now();
  const run = (names: readonly string[], ...options: string[]): Promise<RsyncResult | null> =>
    names.length === 0
      ? Promise.resolve(null)
      : rsync({ from, to, names, options: [...(tools.xattrs ? ['-X'] : []), ...options], onBytes });
  const here = new Set((await from.sh(PRESENT, listed(paths))).stdout.split('\0'));
  const present = paths.map((path) => `./${path}`).filter((path) => here.has(path));
  const gone = paths.filter((path) => !here.has(`./${path}`));
  if (gone.length > 0) await to.sh(REMOVE, listed(gone));
  const arriving = [`--temp-dir=${to.folder}/${COPY}/new`, `--partial-dir=${to.folder}/${COPY}/part`];
  const { large, small } = Number.isNaN(before) ? { large: [], small: [] } : await changed(passing, before);
  const results = [
    await run(large, '--existing', '--ignore-times', '--no-whole-file', '--inplace'),
    await run(small, '--existing', '--checksum', ...arriving),
    await run(present, '--delete', ...arriving, ...[COPY, FROM].map((path) => `--exclude=/${path}`)),
  ].filter((result) => result !== null);
  const partial = results.find((result) => result.partial !== null)?.partial ?? null;
  if (last && partial !== null) throw new CellError('REMOTE_FAILED', 'Data could not be copied', { why: partial });
  // What could not be copied now is compared again by the next pass, as if this one had not been.
  if (!last && synced && partial === null) await must(to, 'The folder for the data cannot be written', keep(now));
  return { bytes: results.reduce((sum, { bytes }) => sum + bytes, 0), ms: performance.now() - began };
}

/** The source's time in s, and whether all that was written until then is on its way to the disk. */
async function begin(from: Side, last: boolean): Promise<readonly [number, boolean]> {
  const sync = last ? '' : `timeout ${SYNC_S} sync -f . 2>/dev/null || echo late`;
  const said = await must(from, 'The folder of the data cannot be read', `date +%s; ${sync}`);
  return [Number.parseInt(said, 10), !said.includes('late')];
}

/** What was changed on the source since the target became a copy, by how it is best compared. */
async function changed({ from, to, paths }: Passing, since: number) {
  const files = seenIn((await from.sh(changedSince(since), listed(paths))).stdout);
  const alone = files.filter(({ links, size }) => links === 1 && size >= LARGE).map(({ name }) => name);
  // In place would write into every file that shares its blocks: only what is alone there, too.
  const there = alone.length === 0 ? '' : (await to.sh(SEEN, alone.map((name) => `${name}\0`).join(''))).stdout;
  const large = new Set(seenIn(there).flatMap(({ links, name }) => (links === 1 ? [name] : [])));
  return { large: [...large], small: files.map(({ name }) => name).filter((name) => !large.has(name)) };
}
