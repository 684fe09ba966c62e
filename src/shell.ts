/**
 * The day-to-day on a cell: a shell, a command beside a function, its log. Over the system's `ssh` with the cell's host
 * key pinned from the lineage, by this computer's key; on the cell itself, directly.
 */
import { spawn } from 'node:child_process';
import { quoted } from './effects/copy.ts';
import { nearest } from '../genome/suggest.ts';
import { CellError } from './errors.ts';
import { type Here, lineageOf } from './here.ts';
import { unitOf } from './layout.ts';
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

/** The first home of a function that is not this: where its log and its shell are. Throws NOT_FOUND. */
export function homeOf(lineage: Lineage, name: string): Cell {
  const homes = lineage.homes[name];
  if (homes === undefined) {
    const guess = nearest(name, Object.keys(lineage.homes));
    throw new CellError('NOT_FOUND', `There is no function ${name}`, {
      suggestion: guess === undefined ? `Functions: ${Object.keys(lineage.homes).join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  const cell = homes.map((id) => lineage.cells[id]).find((one) => one !== undefined && one.state !== 'gone');
  if (cell === undefined) throw new CellError('NOT_FOUND', `${name} lives nowhere at the moment`);
  return cell;
}

/** Runs a command line (or a shell, when null) on a cell with this terminal; gives the exit code. */
export async function onCell(here: Here, cell: Cell, command: string | null): Promise<number> {
  if (cell.id === here.identity.id) return run('/bin/sh', command === null ? ['-i'] : ['-c', command]);
  const terminal = command === null && process.stdin.isTTY ? ['-t'] : ['-T'];
  return run('ssh', [...terminal, ...sshArguments(cell, here.home), ...(command === null ? [] : [command])]);
}

function run(file: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

/** The command line that shows a function's log, or the cell's own. */
export function logCommand(name: string | null, lines: number, follow: boolean): string {
  const unit = name === null ? 'cell-tick.service' : unitOf(name);
  return `journalctl -u ${unit} -n ${lines}${follow ? ' -f' : ''} --no-pager`;
}

/** The command line that runs something in a function's folder with its environment. */
export function execCommand(name: string, words: readonly string[]): string {
  const line = words.map(quoted).join(' ');
  return `cd "\${CELL_ROOT:-}/srv/cell/${name}" && set -a && . ./.env && set +a && exec ${line}`;
}

export async function cellOfFunction(here: Here, name: string): Promise<Cell> {
  return homeOf(await lineageOf(here), name);
}
