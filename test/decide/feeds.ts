/**
 * A small language for feeds: one deed a line, `AUTHOR kind arguments`, in any order between authors. Cells and births
 * are single names: cell A is of birth a, and its stack is a.body.
 *
 *   S genesis 4 web,db     S reserve a     S birth A 3     A born S     S give web A     A return web S
 *   A drop web   A entrust a.body S   S weaned A   A wilt   A farewell   S bury A   S fence A 2   S order A
 *   A freeze @12   A thaw   S abandon a   S endow A 2   A endowed 2   A lack
 *   A grant 6 9 (of 9 that were signed for)     A vote P yes   A took P no   A begin mail   A end mail
 */
import type { Feeds } from '../../src/decide/lineage.ts';
import type { Birth, CellId, Deed, Entry, Proposal } from '../../src/model.ts';

export const SEEDER = 'S';

export function birthOf(id: CellId): Birth {
  const reach = { address: `127.0.0.${id.charCodeAt(0)}`, sshPort: 22, user: 'root', root: '', httpPort: 8080 };
  const birth = id.toLowerCase();
  return { birth, id, name: id, key: `key-${id}`, hostKey: `host-${id}`, recipient: `age-${id}`, reach, cloud: 'near' };
}

export function deed(author: CellId, kind: string, one = '', two = ''): Deed {
  switch (kind) {
    case 'genesis':
      return {
        kind,
        organism: 'o',
        genome: 'g',
        maxCells: Number(one),
        functions: two === '' ? [] : two.split(','),
        key: 'k',
        recipient: 'r',
      };
    case 'born':
      return { kind, birth: author.toLowerCase(), parent: one, key: `key-${author}` };
    case 'reserve':
      return { kind, birth: one, stack: `${one}.body`, function: null, mode: 'delegate', why: '' };
    case 'abandon':
      return { kind, birth: one, why: '' };
    case 'birth':
      return { kind, child: birthOf(one), budget: Number(two || '0'), why: '' };
    case 'give':
      return { kind, function: one, to: two, mode: 'delegate' };
    case 'replicate':
      return { kind: 'give', function: one, to: two, mode: 'replicate' };
    case 'return':
      return { kind: 'give', function: one, to: two, mode: 'return' };
    case 'drop':
      return { kind, function: one };
    case 'entrust':
      return { kind, stack: one, to: two };
    case 'weaned':
    case 'bury':
      return { kind, child: one };
    case 'endow':
      return { kind, child: one, generation: Number(two || '2') };
    case 'endowed':
      return { kind, generation: Number(one || '2') };
    case 'lack':
      return { kind, why: 'it was revoked' };
    case 'wilt':
      return { kind, why: '' };
    case 'farewell':
      return { kind };
    case 'fence':
      return { kind, child: one, entries: Number(two), why: '' };
    case 'order':
      return { kind, wilt: one, why: 'because' };
    case 'vote':
      return { kind, proposal: one, yes: two !== 'no', why: '' };
    case 'took':
      return { kind, proposal: one === '-' ? null : one, genome: `g${one}`, ok: two !== 'no', why: '' };
    case 'begin':
    case 'end':
      return { kind, function: one };
    case 'grant':
      return { kind, cells: Number(one), proposals: [allowing(Number(two || one))] };
    case 'freeze':
    case 'thaw':
      return { kind, why: 'because' };
    default:
      throw new Error(`no deed ${kind}`);
  }
}

/** A proposal that allows so many cells, signed by the seeder. */
export function allowing(maxCells: number, more: Partial<Proposal> = {}): Proposal {
  const open = { v: 1, organism: 'o', parent: null, genome: 'g', at: 0, why: '', author: 'k', sig: '' } as const;
  return { ...open, raises: ['maxCells'], maxCells, ...more };
}

/** Lines to feeds. `at` counts up from line to line; `@n` at the end of a line says it. */
export function feeds(text: string): Record<CellId, Entry[]> {
  const found: Record<CellId, Entry[]> = {};
  let at = 0;
  for (const line of text.split(/[\n;]/)) {
    const words = line.trim().split(/\s+/);
    const [author = '', kind = ''] = words;
    if (author === '') continue;
    at += 1;
    const time = words.at(-1)?.startsWith('@') === true ? Number(words.pop()?.slice(1)) : at;
    found[author] ??= [];
    const feed = found[author];
    feed.push(entry(author, feed.length, time, deed(author, kind, words[2], words[3])));
  }
  return found;
}

export function entry(cell: CellId, seq: number, at: number, what: Deed): Entry {
  return { v: 1, organism: 'o', cell, seq, prev: null, at, deed: what, files: {}, sig: '' };
}

/** Feeds up to some lengths. */
export function upTo(all: Feeds, lengths: Readonly<Record<CellId, number>>): Feeds {
  return Object.fromEntries(Object.entries(all).map(([id, feed]) => [id, feed.slice(0, lengths[id] ?? feed.length)]));
}
