/**
 * Where each function is, best first, as one cell sees it: what functions read at $CELL_WHERE, what the ingress serves
 * and what `cell where` prints.
 */
import type { Genome } from '../../genome/schema.ts';
import type { BirthId, Cell, CellId, FunctionName, Level, Lineage, Pulse } from '../model.ts';

export interface Place {
  /** The cell's name, and its id. */
  readonly cell: string;
  readonly id: CellId;
  readonly birth: BirthId;
  readonly address: string;
  /** The function's own port on that address, if it has one. */
  readonly port: number | null;
  /** Where to send requests; with a domain, that goes into the Host header. Null when it listens nowhere for others. */
  readonly url: string | null;
  readonly domain: string | null;
  readonly healthy: boolean;
  /** Its cell has not been heard for long: what is said here may be over. */
  readonly stale: boolean;
  readonly level: Level;
  /** It is on this cell; it is on this cell's parent. */
  readonly own: boolean;
  readonly parent: boolean;
}

export interface WhereAbouts {
  readonly v: 1;
  readonly organism: string;
  /** The id of the cell that says so. */
  readonly cell: CellId;
  readonly functions: Readonly<Record<FunctionName, readonly Place[]>>;
}

export interface Seen {
  readonly lineage: Lineage;
  readonly genome: Genome;
  readonly pulses: Readonly<Record<CellId, Pulse>>;
  readonly self: CellId;
  readonly now: number;
}

export function whereAbouts(seen: Seen): WhereAbouts {
  const { lineage, genome, self } = seen;
  const functions: Record<FunctionName, readonly Place[]> = {};
  for (const name of Object.keys(genome.functions).sort()) {
    const homes = (lineage.homes[name] ?? []).flatMap((id) => lineage.cells[id] ?? []);
    functions[name] = homes.map((home) => place(seen, name, home)).sort(better(need(seen, name)));
  }
  return { v: 1, organism: lineage.organism, cell: self, functions };
}

function place({ lineage, genome, pulses, self, now }: Seen, name: FunctionName, home: Cell): Place {
  const { domain = null, port = null } = genome.functions[name] ?? {};
  const { address, httpPort } = home.reach;
  const pulse = pulses[home.id];
  const state = pulse?.functions[name];
  const stale = pulse === undefined || now - pulse.at > genome.healing.suspectAfter;
  const at = domain !== null ? httpPort : port;
  return {
    cell: home.name,
    id: home.id,
    birth: home.birth,
    address,
    port,
    url: at === null ? null : `http://${address}:${at}`,
    domain,
    healthy: !stale && state?.health === 'healthy',
    stale,
    level: state?.level ?? 'none',
    own: home.id === self,
    parent: home.id === lineage.cells[self]?.parent,
  };
}

/** Whose one the functions here would use: their own, or their parent's. */
function need({ lineage, genome, self }: Seen, name: FunctionName): 'own' | 'shared' {
  const here = lineage.cells[self]?.functions ?? [];
  const needs = here.map((mine) => genome.functions[mine]?.needs[name]);
  return needs.includes('shared') && !needs.includes('own') ? 'shared' : 'own';
}

const LEVELS: readonly Level[] = ['none', 'one', 'two', 'many'];

/** Pressure counts as its level, which does not change with every tick, so neither does the order. */
function better(whose: 'own' | 'shared'): (a: Place, b: Place) => number {
  const rank = (one: Place): readonly number[] => [
    one.stale ? 1 : 0,
    one.healthy ? 0 : 1,
    (whose === 'shared' ? one.parent : one.own) ? 0 : 1,
    LEVELS.indexOf(one.level),
    one.own ? 0 : 1,
  ];
  return (a, b) => {
    const [ranksA, ranksB] = [rank(a), rank(b)];
    const at = ranksA.findIndex((value, index) => value !== ranksB[index]);
    if (at >= 0) return (ranksA[at] as number) - (ranksB[at] as number);
    return a.cell < b.cell ? -1 : a.cell > b.cell ? 1 : a.id < b.id ? -1 : 1;
  };
}
