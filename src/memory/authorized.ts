/**
 * Who may log in to a cell, and whom it knows, as OpenSSH's own files. Worked out whole from the lineage each time, so a
 * key that is no longer in it is gone, whoever put it there.
 */
import type { CellId, Lineage, PublicKey } from '../model.ts';

export interface Doors {
  readonly lineage: Lineage;
  /** Whose machine it is. */
  readonly self: CellId;
  /** Keys that get a shell: the operators', the seeder's. */
  readonly shells: readonly PublicKey[];
  /** Lines kept as they are: the imprint key while it is there. */
  readonly extra?: readonly string[];
  /** The one command that a cell's key runs. */
  serve(peer: CellId): string;
}

/** The text of authorized_keys: each living cell by one forced command, operators with a shell. Sorted: the same doors give the same text. */
export function authorizedKeys({ lineage, self, shells, extra = [], serve }: Doors): string {
  const open = [...new Set(shells.map(keyOf))].filter((key) => key !== '').sort();
  const forced = Object.values(lineage.cells)
    // sshd takes the first line with a key: one that has a shell must not come again with less
    .filter(({ id, key, state }) => id !== self && state !== 'gone' && !open.includes(keyOf(key)))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, key }) => `restrict,command="${quoted(serve(id))}" ${keyOf(key)} ${id}`);
  return [...extra, ...open.map((key) => `${key} operator`), ...forced].map((line) => `${line}\n`).join('');
}

/** The text of known_hosts: every cell that may still answer, by its address and port. */
export function knownHosts(lineage: Lineage): string {
  return Object.values(lineage.cells)
    .filter(({ state }) => state !== 'gone')
    .map(
      ({ reach, hostKey }) =>
        `${reach.sshPort === 22 ? reach.address : `[${reach.address}]:${reach.sshPort}`} ${keyOf(hostKey)}\n`,
    )
    .sort()
    .join('');
}

/** Type and key, without a comment. */
function keyOf(line: PublicKey): PublicKey {
  return line.trim().split(/\s+/).slice(0, 2).join(' ');
}

/** sshd reads a backslash before a quote as the quote itself; everything else stays. */
function quoted(command: string): string {
  return command.replaceAll('"', '\\"');
}
