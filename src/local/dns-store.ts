/**
 * The zones on the disk: one JSON file, replaced as a whole. A change counts once it is written.
 */
import { join } from 'node:path';
import { readJson, writeAtomic } from '../effects/files.ts';
import { CellError } from '../errors.ts';
import { problemsOf, type Zones } from './zone.ts';

interface File {
  readonly v: 1;
  readonly zones: Zones;
}

const recordsFile = (dir: string): string => join(dir, 'records.json');

/** Reads the zones. Throws CHECKPOINT_CORRUPT rather than begin anew with nothing: every name would be gone. */
export async function readZones(dir: string): Promise<Zones> {
  const path = recordsFile(dir);
  const empty: File = { v: 1, zones: { serials: {}, sets: [] } };
  const file = (await readJson<File | null>(path, empty)) as Partial<File> | null;
  const sets = file?.zones?.sets;
  if (file?.v !== 1 || !Array.isArray(sets) || !sets.every((set) => problemsOf({ ...set }).length === 0)) {
    throw new CellError('CHECKPOINT_CORRUPT', `${path} does not hold DNS records`, {
      suggestion: 'Move the file away and run the command again: cells put their records back.',
      fields: { path },
    });
  }
  return file.zones as Zones;
}

export interface Store {
  zones(): Zones;
  /** Applies a change after all changes before it; what `change` throws leaves everything as it was. */
  change(change: (zones: Zones) => Zones): Promise<void>;
  /** Resolves when nothing is left to write. */
  settled(): Promise<void>;
}

export async function openStore(dir: string): Promise<Store> {
  let current = await readZones(dir);
  let last: Promise<unknown> = Promise.resolve();
  return {
    zones: () => current,
    change(change) {
      const next = last.then(async () => {
        const zones = change(current);
        if (zones === current) return;
        await writeAtomic(recordsFile(dir), JSON.stringify({ v: 1, zones } satisfies File, null, 1), 0o600);
        current = zones;
      });
      last = next.catch(() => {});
      return next;
    },
    settled: async () => void (await last),
  };
}
