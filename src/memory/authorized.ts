/**
 * Who may log in to a cell, as OpenSSH's own file has it. Worked out whole from the lineage each time, so a key that is no
 * longer in it is gone, whoever put it there.
 */
import type { CellId, Lineage, PublicKey } from '../model.ts';

export interface Doors {
  readonly lineage: Lineage;
  /** Whose machine it is. */
  readonly self: CellId;
  /** Keys that get a shell: the operators', the seeder's. */
  readonly shells: readonly PublicKey[];
  /** Keys that sync and are no cell's: those that propose genomes. */
  readonly authors?: readonly PublicKey[];
  /** Lines kept as they are: the imprint key while it is there. */
  readonly extra?: readonly string[];
  /** The one command that a key runs. */
  serve(peer: CellId): string;
  /** Who a key is. */
  idOf(key: PublicKey): CellId;
}

/** Both kinds in one file, for a machine with one user: a key that has a shell may sync by it, too. */
export function authorizedKeys(doors: Doors): string {
  const open = shellsOf(doors);
  // sshd takes the first line with a key: one that has a shell must not come again with less
  return (
    shellKeys(doors) +
    forced(
      doors,
      peersOf(doors).filter(({ key }) => !open.includes(key)),
    )
  );
}

/** Whom the machine's owner lets in: operators with a shell, and the imprint key while it is there. */
export function shellKeys(doors: Pick<Doors, 'shells' | 'extra'>): string {
  return text([...(doors.extra ?? []), ...shellsOf(doors).map((key) => `${key} operator`)]);
}

/** Whom the user of the door lets in: each living cell, each authority and each operator, by one forced command. */
export function peerKeys(doors: Doors): string {
  const peers = peersOf(doors);
  const operators = shellsOf(doors)
    .filter((key) => !peers.some((peer) => peer.key === key))
    .map((key) => ({ key, id: doors.idOf(key) }));
  return forced(doors, [...peers, ...operators]);
}

interface Peer {
  readonly id: CellId;
  readonly key: PublicKey;
}

/** Sorted: the same doors give the same text. */
function forced({ serve }: Pick<Doors, 'serve'>, peers: readonly Peer[]): string {
  const sorted = peers.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return text(sorted.map(({ id, key }) => forcedLine(serve(id), key, id)));
}

/** A line by which a key runs one command and nothing else. */
export function forcedLine(command: string, key: PublicKey, id: CellId): string {
  // sshd reads a backslash before a quote as the quote itself; everything else stays
  return `restrict,command="${command.replaceAll('"', '\\"')}" ${keyOf(key)} ${id}`;
}

function peersOf({ lineage, self, authors = [], idOf }: Doors): readonly Peer[] {
  const cells = Object.values(lineage.cells)
    .filter(({ id, state }) => id !== self && state !== 'gone')
    .map(({ id, key }) => ({ id, key: keyOf(key) }));
  const others = [...new Set(authors.map(keyOf))].filter((key) => !cells.some((cell) => cell.key === key));
  return [...cells, ...others.map((key) => ({ id: idOf(key), key }))];
}

function shellsOf({ shells }: Pick<Doors, 'shells'>): readonly PublicKey[] {
  return [...new Set(shells.map(keyOf))].filter((key) => key !== '').sort();
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** Type and key, without a comment. */
function keyOf(line: PublicKey): PublicKey {
  return line.trim().split(/\s+/).slice(0, 2).join(' ');
}
