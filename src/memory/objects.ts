/**
 * Git's objects as bytes: a blob, a tree, a commit and their ids (SHA-1 of type, length and content).
 *
 * A feed's commit is a pure function of its entry, its tree and its parent. So the commit an entry belongs in can be
 * worked out, and a cell that passes a feed on cannot dress the same entry in another commit.
 */
import { createHash } from 'node:crypto';
import type { CellId, Entry, Proposal } from '../model.ts';
import { canonical } from './entry.ts';
import { nameOf } from './names.ts';

export interface GitObject {
  readonly type: 'blob' | 'tree' | 'commit';
  readonly body: Buffer;
  readonly id: string;
}

/** A file as a tree lists it. */
export interface TreeFile {
  readonly mode: string;
  readonly blob: string;
}

export function gitObject(type: GitObject['type'], content: string | Uint8Array): GitObject {
  const body = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
  return { type, body, id: createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest('hex') };
}

/** The trees of a flat list of files, the root last. */
export function treesOf(files: ReadonlyMap<string, TreeFile>): GitObject[] {
  const trees: GitObject[] = [];
  const build = (below: readonly (readonly [string[], TreeFile])[]): GitObject => {
    const rows: { readonly name: string; readonly mode: string; readonly id: string }[] = [];
    const folders = new Map<string, (readonly [string[], TreeFile])[]>();
    for (const [[head = '', ...rest], file] of below) {
      if (rest.length === 0) rows.push({ name: head, mode: file.mode, id: file.blob });
      else folders.set(head, [...(folders.get(head) ?? []), [rest, file]]);
    }
    for (const [name, inside] of folders) rows.push({ name, mode: '40000', id: build(inside).id });
    // git sorts by bytes, a folder as if its name ended in a slash
    const order = (row: { name: string; mode: string }) =>
      Buffer.from(row.mode === '40000' ? `${row.name}/` : row.name);
    rows.sort((a, b) => Buffer.compare(order(a), order(b)));
    const tree = gitObject(
      'tree',
      Buffer.concat(rows.flatMap((row) => [Buffer.from(`${row.mode} ${row.name}\0`), Buffer.from(row.id, 'hex')])),
    );
    trees.push(tree);
    return tree;
  };
  build([...files].map(([path, file]) => [path.split('/'), file] as const));
  return trees;
}

/** A tree's rows. Throws when the bytes are no tree. */
export function parseTree(body: Buffer): { readonly name: string; readonly mode: string; readonly id: string }[] {
  const rows: { name: string; mode: string; id: string }[] = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const end = body.indexOf(0, space);
    if (space < 0 || end < 0 || end + 21 > body.length) throw new Error('a tree is cut off');
    rows.push({
      mode: body.toString('latin1', at, space),
      name: body.toString('utf8', space + 1, end),
      id: body.toString('hex', end + 1, end + 21),
    });
    at = end + 21;
  }
  return rows;
}

/** The line that `git log` shows for an entry: who did what, in words. */
function subjectOf(entry: Entry): string {
  const { deed } = entry;
  const by = nameOf(entry.cell);
  const said = (why: string) => (why === '' ? '' : ` (${why})`);
  switch (deed.kind) {
    case 'genesis':
      return `genesis: ${deed.organism} by ${by}, at most ${deed.maxCells} cells`;
    case 'born':
      return `born: ${by}, child of ${nameOf(deed.parent)}, birth ${deed.birth}`;
    case 'reserve':
      return `reserve: birth ${deed.birth} by ${by}${deed.function === null ? '' : ` to ${deed.mode} ${deed.function}`}${said(deed.why)}`;
    case 'abandon':
      return `abandon: birth ${deed.birth} by ${by}${said(deed.why)}`;
    case 'birth':
      return `birth: ${deed.child.name} by ${by}, budget ${deed.budget}${said(deed.why)}`;
    case 'give':
      return `give: ${deed.function} to ${nameOf(deed.to)} by ${by} (${deed.mode})`;
    case 'drop':
      return `drop: ${deed.function} by ${by}`;
    case 'entrust':
      return `entrust: ${deed.stack} to ${nameOf(deed.to)} by ${by}`;
    case 'weaned':
    case 'bury':
      return `${deed.kind}: ${nameOf(deed.child)} by ${by}`;
    case 'endow':
      return `endow: ${nameOf(deed.child)} by ${by}, generation ${deed.generation}`;
    case 'endowed':
      return `endowed: ${by}, generation ${deed.generation}`;
    case 'fence':
      return `fence: ${nameOf(deed.child)} by ${by}${said(deed.why)}`;
    case 'order':
      return `order: ${nameOf(deed.wilt)} shall wilt, by ${by}${said(deed.why)}`;
    case 'farewell':
      return `farewell: ${by}`;
    case 'vote':
      return `vote: ${deed.yes ? 'yes' : 'no'} to ${deed.proposal} by ${by}${said(deed.why)}`;
    case 'took':
      return `took: genome ${deed.genome.slice(0, 12)} by ${by}, ${deed.ok ? 'healthy' : 'taken back'}${said(deed.why)}`;
    case 'begin':
    case 'end':
      return `${deed.kind}: ${deed.function} at ${by}`;
    case 'grant':
      return `grant: at most ${deed.cells} cells, by ${by}`;
    case 'lack':
    case 'wilt':
    case 'freeze':
    case 'thaw':
      return `${deed.kind}: ${by}${said(deed.why)}`;
  }
}

/** The commit of an entry: every byte follows from the arguments. */
export function commitOf(entry: Entry, tree: string, parent: string | null): GitObject {
  const who = `${nameOf(entry.cell)} <${entry.cell}@${entry.organism}> ${Math.floor(entry.at / 1000)} +0000`;
  const head = [`tree ${tree}`, ...(parent === null ? [] : [`parent ${parent}`]), `author ${who}`, `committer ${who}`];
  return gitObject('commit', `${head.join('\n')}\n\n${subjectOf(entry)}\n\n${canonical(entry)}\n`);
}

/** The commit that carries a genome; no time and no name in it, so the same files give the same commit everywhere. */
export function genomeCommit(tree: string, hash: string): GitObject {
  const who = 'genome <genome@cell> 0 +0000';
  return gitObject('commit', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\ngenome ${hash}\n`);
}

/** The commit of a proposed genome, on top of the one it changes: every byte follows from the arguments. */
export function proposalCommit(tree: string, parent: string, { at, genome, why }: Proposal, text: string): GitObject {
  const who = `genome <genome@cell> ${Math.floor(at / 1000)} +0000`;
  const head = `tree ${tree}\nparent ${parent}\nauthor ${who}\ncommitter ${who}`;
  return gitObject('commit', `${head}\n\ngenome ${genome.slice(0, 12)}${why === '' ? '' : `: ${why}`}\n\n${text}\n`);
}

export interface ParsedCommit {
  readonly tree: string;
  readonly parents: readonly string[];
  /** The last line of the message: an entry's JSON. */
  readonly last: string;
}

/** Reads what is needed of a commit; null when the bytes are none. */
export function parseCommit(body: Buffer): ParsedCommit | null {
  const text = body.toString('utf8');
  const end = text.indexOf('\n\n');
  const lines = (end < 0 ? text : text.slice(0, end)).split('\n');
  const tree = /^tree ([0-9a-f]{40})$/.exec(lines[0] ?? '')?.[1];
  if (tree === undefined || end < 0) return null;
  const parents = lines.flatMap((line) => /^parent ([0-9a-f]{40})$/.exec(line)?.[1] ?? []);
  const message = text.slice(end + 2).replace(/\n$/, '');
  return { tree, parents, last: message.slice(message.lastIndexOf('\n') + 1) };
}

/** Who a feed's ref belongs to. */
export const feedRef = (cell: CellId): string => `refs/heads/cells/${cell}`;
