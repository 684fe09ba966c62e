/** The organism as this computer sees it: plain data from the lineage and the pulses, and the table made of it. */
import type { Genome } from '../genome/schema.ts';
import { formatDuration } from '../genome/units.ts';
import { addressesOf } from '../stacks/address.ts';
import { runsOf } from './decide/renewal.ts';
import { stemsOf } from './decide/slots.ts';
import type { Frozen, Lineage, Pulse } from './model.ts';

export interface StatusCell {
  readonly id: string;
  readonly name: string;
  readonly parent: string;
  /** The lineage's word, or `suspect` (no pulse for healing.suspectAfter) or `silent` (for deadAfter). */
  readonly state: string;
  readonly address: string;
  readonly provider: string;
  readonly functions: readonly {
    readonly name: string;
    readonly health: string;
    readonly pressure: Readonly<Record<string, number>>;
    readonly level: string;
    readonly throttle: number;
  }[];
  readonly budget: number;
  /** Blank machines it keeps ready, or is making. */
  readonly stemCells: number;
  readonly links: readonly string[];
  readonly genome: string;
  /** ms since the epoch, or null when none was heard. */
  readonly lastPulse: number | null;
  readonly why: string;
}

export interface Status {
  readonly organism: string;
  readonly genome: string;
  /** This computer's id: a cell's, or the seeder's. */
  readonly self: string;
  readonly seenAt: number;
  readonly cells: readonly StatusCell[];
  readonly domains: readonly {
    readonly name: string;
    readonly function: string;
    readonly addresses: readonly string[];
  }[];
  readonly frozen: Frozen | null;
  /** Feeds that are not believed, and why. */
  readonly quarantined: readonly { readonly cell: string; readonly why: string }[];
}

export interface StatusInput {
  readonly lineage: Lineage;
  readonly genome: Genome;
  /** Hash of the genome that the organism accepted last; left out: that of the genesis. */
  readonly accepted?: string;
  readonly pulses: Readonly<Record<string, Pulse>>;
  readonly self: string;
  readonly now: number;
}

/** Pure: what `cell status --json` prints. Cells that are gone are left out. */
export function statusOf({ lineage, genome, accepted, pulses, self, now }: StatusInput): Status {
  const living = Object.values(lineage.cells)
    .filter((cell) => cell.state !== 'gone')
    .sort((a, b) => a.bornAt - b.bornAt || (a.id < b.id ? -1 : 1));
  const cells = living.map((cell): StatusCell => {
    const pulse = pulses[cell.id];
    const silence = now - (pulse?.at ?? cell.bornAt);
    const { suspectAfter, deadAfter } = genome.healing;
    const state = silence > deadAfter ? 'silent' : silence > suspectAfter ? 'suspect' : cell.state;
    return {
      id: cell.id,
      name: cell.name,
      parent: cell.parent,
      state,
      address: cell.reach.address,
      provider: genome.clouds[cell.cloud]?.provider ?? cell.cloud,
      functions: cell.functions.map((name) => {
        const told = pulse?.functions[name];
        const pressure = Object.entries(told?.pressure ?? {}).map(([key, reading]) => [key, reading.value] as const);
        return {
          name,
          health: told?.health ?? 'unknown',
          pressure: Object.fromEntries(pressure),
          level: told?.level ?? 'none',
          throttle: told?.throttle ?? 0,
        };
      }),
      budget: cell.budget,
      stemCells: stemsOf(lineage, cell).length,
      links: pulse?.links ?? [],
      genome: runsOf(lineage, cell.id)?.genome ?? lineage.genome,
      lastPulse: pulse?.at ?? null,
      why: pulse?.why ?? cell.why,
    };
  });
  const domains = Object.entries(genome.functions).flatMap(([name, gene]) => {
    if (gene.domain === undefined) return [];
    const addresses = living
      .filter((cell) => lineage.homes[name]?.includes(cell.id))
      .flatMap(({ reach }) => addressesOf(reach));
    return [{ name: gene.domain, function: name, addresses }];
  });
  const quarantined = Object.entries(lineage.quarantined).map(([cell, { why }]) => ({ cell, why }));
  return {
    organism: lineage.organism,
    genome: accepted ?? lineage.genome,
    self,
    seenAt: now,
    cells,
    domains,
    frozen: lineage.frozen,
    quarantined,
  };
}

const stems = (many: number) => (many === 0 ? '' : `  stem cells ${many}`);

function ago(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.round((now - at) / 1000);
  return seconds <= 0 ? 'just now' : `${formatDuration(seconds * 1000)} ago`;
}

/** A pulse joins its reasons with `; `, each behind its subject; one reason may hold a `; ` of its own. */
const reasonsIn = (why: string) => why.split(/; (?=[a-z0-9-]+: )/);

/** The status as text for people. */
export function statusText(status: Status): string {
  const names = new Map(status.cells.map((cell) => [cell.id, cell.name]));
  const lines = [
    `${status.organism}: ${status.cells.length} ${status.cells.length === 1 ? 'cell' : 'cells'}, genome ${status.genome.slice(0, 12)}`,
  ];
  if (status.frozen !== null) {
    const who = names.get(status.frozen.by) ?? 'the seeder';
    lines.push(`frozen by ${who} ${ago(status.frozen.at, status.seenAt)}: ${status.frozen.why} (cell thaw lifts it)`);
  }
  if (status.cells.length === 0) lines.push('No cell lives: `cell seed` goes on where it stopped.');
  for (const cell of status.cells) {
    const parent = names.get(cell.parent) ?? 'seed';
    lines.push(
      '',
      `${cell.name}  ${cell.state}  ${cell.address}  budget ${cell.budget}${stems(cell.stemCells)}  from ${parent}  pulse ${ago(cell.lastPulse, status.seenAt)}`,
    );
    for (const { name, health, level, throttle, pressure } of cell.functions) {
      const measured = Object.entries(pressure).map(([key, value]) => `${key} ${Number(value.toFixed(1))}`);
      const held = throttle > 0 ? [`throttled ${throttle}`] : [];
      lines.push(`  ${name.padEnd(12)} ${health.padEnd(9)} ${[level, ...held, ...measured].join('  ')}`);
    }
    for (const reason of reasonsIn(cell.why)) lines.push(`  · ${reason}`);
  }
  if (status.domains.length > 0) lines.push('');
  for (const { name, addresses } of status.domains) lines.push(`${name} -> ${addresses.join(', ') || 'nowhere'}`);
  for (const { cell, why } of status.quarantined) lines.push(`quarantined ${names.get(cell) ?? cell}: ${why}`);
  return lines.join('\n');
}
