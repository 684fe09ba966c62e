/**
 * The day-to-day on a cell: a shell, a command beside a function, its log. Over the system's `ssh` with the cell's host
 * key pinned from the lineage, by this computer's key; on the cell itself, directly.
 */
import { spawn } from 'node:child_process';
import { nearest } from '../genome/suggest.ts';
import { shellCommand } from './effects/quote.ts';
import { asFunction } from './effects/users.ts';
import { CellError } from './errors.ts';
import type { Here } from './here.ts';
import { layout, unitOf } from './layout.ts';
import { sshArguments } from './memory/sync.ts';
import type { Cell, Lineage } from './model.ts';

/** A living cell by its name, its id, or the beginning of either. Throws NOT_FOUND with the likely one. */
export function findCell(lineage: Lineage, text: string): Cell {
  const living = Object.values(lineage.cells).filter((cell) => cell.state !== 'gone');
  const exact = living.find((cell) => cell.name === text || cell.id === text);
  if (exact !== undefined) return exact;
  const alike = living.filter((cell) => cell.name.startsWith(text) || cell.id.startsWith(text));
  if (alike.length === 1) return alike[0] as Cell;
  const names = living.map((cell) => cell.name);
  const guess = alike.length > 1 ? alike.map((cell) => cell.name).join(' or ') : nearest(text, names);
  throw new CellError('NOT_FOUND', alike.length > 1 ? `${text} may be ${guess}` : `There is no cell ${text}`, {
    suggestion: guess === undefined ? `Cells: ${names.join(', ') || 'none'}` : `Did you mean ${guess}?`,
  });
}

/** Where a function's log and its shell are: its first home, or the cell that is named. Throws NOT_FOUND. */
export function homeOf(lineage: Lineage, name: string, on?: string): Cell {
  const homes = lineage.homes[name];
  if (homes === undefined) {
    const guess = nearest(name, Object.keys(lineage.homes));
    throw new CellError('NOT_FOUND', `There is no function ${name}`, {
      suggestion:
        guess === undefined ? `Functions: ${Object.keys(lineage.homes).join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  if (on !== undefined) {
    const cell = findCell(lineage, on);
    if (homes.includes(cell.id)) return cell;
    const names = homes.map((id) => lineage.cells[id]?.name ?? id).join(', ');
    throw new CellError('NOT_FOUND', `${cell.name} does not perform ${name}`, { suggestion: `Its homes: ${names}` });
  }
  const cell = homes.map((id) => lineage.cells[id]).find((one) => one !== undefined && one.state !== 'gone');
  if (cell === undefined) {
    throw new CellError('NOT_FOUND', `${name} lives nowhere now`, { suggestion: '`cell status` shows what is there.' });
  }
  return cell;
}

/** What came of a command on a cell; with a terminal passed through, `stdout` and `stderr` are null. */
export interface Ran {
  readonly cell: string;
  readonly code: number;
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** Runs a command line (or a shell, when null) on a cell, with this terminal or `quietly`, its output kept. */
export async function onCell(here: Here, cell: Cell, command: string | null, quietly = false): Promise<Ran> {
  if (quietly && command === null) {
    throw new CellError('USAGE', 'A shell has no JSON', {
      suggestion: 'Give a command after `--`, or leave --json out.',
    });
  }
  const local = cell.id === here.identity.id;
  const terminal = command === null && process.stdin.isTTY ? ['-t'] : ['-T'];
  const [file, ...args] = local
    ? ['/bin/sh', ...(command === null ? ['-i'] : ['-c', command])]
    : ['ssh', ...terminal, ...sshArguments(cell, here.home), ...(command === null ? [] : [command])];
  return { cell: cell.name, ...(await run(file as string, args, quietly)) };
}

function run(file: string, args: readonly string[], quietly: boolean): Promise<Omit<Ran, 'cell'>> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { stdio: quietly ? ['inherit', 'pipe', 'pipe'] : 'inherit' });
    const kept: Record<'stdout' | 'stderr', string | null> = { stdout: null, stderr: null };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        kept[name] = (kept[name] ?? '') + text;
      });
      if (quietly) kept[name] = '';
    }
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? (signal === null ? 1 : 130), ...kept }));
  });
}

/** The command line that shows a function's log, or the cell's own. */
export function logCommand(name: string | null, lines: number, follow: boolean): string {
  const unit = name === null ? 'cell-tick.service' : unitOf(name);
  return `journalctl -u ${unit} -n ${lines}${follow ? ' -f' : ''} --no-pager`;
}

/** The command line that runs something in a function's folder, with its environment and as its user. */
export function execCommand(name: string, words: readonly string[]): string {
  const root = `"\${CELL_ROOT:-}"`;
  const { environments, functions } = layout('');
  const enter = `cd ${root}${functions}/${name} && set -a && . ${root}${environments}/${name}.env && set +a`;
  // A machine that is a folder has one user.
  const user = `[ -n ${root} ] || set -- ${asFunction({ system: true }, name).join(' ')}`;
  return `set --; ${user}; ${enter} && exec "$@" ${shellCommand(words)}`;
}
