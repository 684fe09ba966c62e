/**
 * The journal of a local machine: var/log/journal/UNIT.log, one line an entry, `ISO-time pid text`. Written by the
 * machine, read by journalctl, which needs nothing running.
 */
import { appendFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { sizeOf } from './files.ts';

/** A unit's journal is kept in two files of this size at most, in bytes. */
export const JOURNAL_CAP = 1 << 20;
const sizes = new Map<string, number>();

function journalFile(root: string, unit: string): string {
  return join(root, 'var/log/journal', `${unit}.log`);
}

/** Appends each line of `text` as an entry. */
export function appendJournal(root: string, unit: string, pid: number, text: string): void {
  const stamp = new Date().toISOString();
  const lines = text.replace(/\n$/, '').split('\n');
  const entry = Buffer.from(lines.map((line) => `${stamp} ${pid} ${line}\n`).join(''));
  const file = journalFile(root, unit);
  try {
    let size = sizes.get(file) ?? sizeOf(file);
    if (size > 0 && size + entry.length > JOURNAL_CAP) {
      renameSync(file, `${file}.1`);
      size = 0;
    }
    appendFileSync(file, entry);
    sizes.set(file, size + entry.length);
  } catch {
    // Somebody removed the folder under a running machine; a lost line must not end it.
    sizes.delete(file);
    mkdirSync(join(root, 'var/log/journal'), { recursive: true });
  }
}

/** Turns chunks of output into whole lines for the journal. */
export function lineWriter(root: string, unit: string, pid: number): { write(data: Buffer): void; end(): void } {
  let rest = '';
  const decoder = new TextDecoder();
  return {
    write(data) {
      const text = rest + decoder.decode(data, { stream: true });
      const last = text.lastIndexOf('\n');
      // A line without an end is cut rather than kept in memory for ever.
      if (last < 0 && text.length < 65_536) {
        rest = text;
        return;
      }
      const end = last < 0 ? text.length : last;
      rest = text.slice(end + 1);
      appendJournal(root, unit, pid, text.slice(0, end));
    },
    end() {
      if (rest !== '') appendJournal(root, unit, pid, rest);
      rest = '';
    },
  };
}
