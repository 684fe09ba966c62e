/**
 * Soft state: one signed pulse a cell, in `pulses/<id>.json`, the newest (`seq`) in place of the last.
 *
 * Each is replaced whole, so a killed process leaves an old pulse, never half of a new one. Anybody may pass one on: the
 * signature says whose it is.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Identity } from '../effects/keys.ts';
import { verify } from '../effects/keys.ts';
import { readPlain } from '../effects/owner.ts';
import { replaceInAnyCase } from '../effects/replace.ts';
import { CellError } from '../errors.ts';
import type { CellId, Lineage, PublicKey, Pulse } from '../model.ts';
import { canonical } from './entry.ts';
import { MAX_PULSE, MAX_WHY } from './limits.ts';
import * as shapes from './shapes.ts';

/** What a cell says of itself; the rest of a pulse is added here. */
export type Told = Omit<Pulse, 'v' | 'organism' | 'cell' | 'seq' | 'sig'>;

export interface Merged {
  readonly taken: readonly CellId[];
  readonly refused: readonly { readonly cell: string; readonly why: string }[];
}

const PREFIX = 'cell/pulse/1\n';
const folderOf = (home: string) => join(home, 'pulses');
const fileOf = (home: string, cell: CellId) => join(folderOf(home), `${cell}.json`);
const signedBytes = (pulse: Omit<Pulse, 'sig'> & { sig?: string }) =>
  Buffer.from(PREFIX + canonical({ ...pulse, sig: undefined }));

/** The pulses kept in a home. One that cannot be read is as if it were not there: the next one replaces it. */
export function readPulses(home: string): Readonly<Record<CellId, Pulse>> {
  const pulses: Record<CellId, Pulse> = {};
  for (const cell of kept(home)) {
    const pulse = readPulse(home, cell);
    if (pulse !== null) pulses[cell] = pulse;
  }
  return pulses;
}

/** When each kept pulse came in: ms, by this computer's clock. */
export function heardAt(home: string): Readonly<Record<CellId, number>> {
  return Object.fromEntries(
    kept(home).map((cell) => [cell, statSync(fileOf(home, cell), { throwIfNoEntry: false })?.mtimeMs ?? 0]),
  );
}

/** Signs what a cell says of itself and keeps it. Throws NOT_ALLOWED for more than MAX_PULSE bytes. */
export function publishPulse(home: string, organism: string, identity: Identity, told: Told): Pulse {
  const seq = (readPulse(home, identity.id)?.seq ?? 0) + 1;
  const why = told.why.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_WHY);
  const open = { ...told, v: 1 as const, organism, cell: identity.id, seq, why };
  const pulse: Pulse = { ...open, sig: identity.sign(signedBytes(open)).toString('base64') };
  const wrong = shapeOf(pulse);
  if (wrong !== null) throw new CellError('NOT_ALLOWED', 'This pulse cannot be sent', { why: `expected ${wrong}` });
  keep(home, pulse);
  return pulse;
}

/**
 * Takes in pulses from a peer: the newest of each cell wins, an older one is passed over in silence (peers know less,
 * that is no fault), one that is not what its cell signed is refused.
 */
export function mergePulses(home: string, organism: string, lineage: Lineage, incoming: readonly unknown[]): Merged {
  const taken: CellId[] = [];
  const refused: { cell: string; why: string }[] = [];
  for (const value of incoming) {
    const said = (value as { cell?: unknown } | null)?.cell;
    const cell = typeof said === 'string' && shapes.CELL_ID.test(said) ? said : '?';
    const wrong = shapeOf(value);
    const pulse = value as Pulse;
    const key = keyOf(lineage, cell);
    if (wrong !== null) refused.push({ cell, why: `expected ${wrong}` });
    else if (pulse.organism !== organism) refused.push({ cell, why: `it is of the organism ${pulse.organism}` });
    else if (key === null) refused.push({ cell, why: 'no cell of that id was born' });
    else if (pulse.seq <= (readPulse(home, cell)?.seq ?? 0) || lineage.cells[cell]?.state === 'gone') continue;
    else if (!verify(key, signedBytes(pulse), Buffer.from(pulse.sig, 'base64'))) {
      refused.push({ cell, why: 'its signature is not by that cell over what it says' });
    } else {
      keep(home, pulse);
      taken.push(cell);
    }
  }
  return { taken, refused };
}

function keyOf(lineage: Lineage, cell: CellId): PublicKey | null {
  if (cell === lineage.seeder.id) return lineage.seeder.key === '' ? null : lineage.seeder.key;
  return Object.hasOwn(lineage.cells, cell) ? (lineage.cells[cell]?.key ?? null) : null;
}

function shapeOf(value: unknown): string | null {
  const wrong = shapes.pulse(value);
  return wrong ?? (canonical(value).length > MAX_PULSE ? `at most ${MAX_PULSE} bytes` : null);
}

function keep(home: string, pulse: Pulse): void {
  mkdirSync(folderOf(home), { recursive: true });
  // Not flushed: after a power cut an older pulse, or none, is as good.
  replaceInAnyCase(fileOf(home, pulse.cell), `${canonical(pulse)}\n`);
}

function kept(home: string): CellId[] {
  try {
    return readdirSync(folderOf(home)).flatMap((name) =>
      /^[a-z2-7]{26}\.json$/.test(name) ? [name.slice(0, 26)] : [],
    );
  } catch {
    return [];
  }
}

function readPulse(home: string, cell: CellId): Pulse | null {
  try {
    const pulse: unknown = JSON.parse(readPlain(fileOf(home, cell)));
    return shapes.pulse(pulse) === null && (pulse as Pulse).cell === cell ? (pulse as Pulse) : null;
  } catch {
    return null;
  }
}
