/**
 * What a cell needs credentials for: machines where it may bring cells about, records where its functions have a domain,
 * and to mint where its own children will need some. It follows from what it has at its birth, and everything it can ever
 * come by later came from itself: so down a line of descent needs never grow.
 */
import type { Genome } from '../../genome/schema.ts';
import type { CellId, FunctionName, Lineage } from '../model.ts';
import { dnsFor, dnsOf } from './dns.ts';

/** What a cell and all that it brings about have together. */
export interface Portion {
  readonly functions: readonly FunctionName[];
  /** How many cells it may bring about, or has. */
  readonly tokens: number;
}

export interface Need {
  /** Clouds of the genome in which it may make machines. */
  readonly compute: readonly string[];
  /** DNS providers of the genome, each with the domains that it may speak for there. */
  readonly dns: Readonly<Record<string, readonly string[]>>;
  /** Where it may mint for its children. */
  readonly mints: { readonly compute: boolean; readonly dns: boolean };
}

type Asked = Pick<Genome, 'clouds' | 'dns' | 'functions' | 'zone'>;

/** `owner`: of the first cell, which nobody else can mint for once its computer is gone. */
export function needOf(genome: Asked, { functions, tokens }: Portion, owner = false): Need {
  const domains = [...new Set(functions.flatMap((name) => genome.functions[name]?.domain ?? []))].sort();
  const spoken = dnsOf(genome).flatMap(({ name }) => {
    const own = domains.filter((domain) => dnsFor(genome, domain).some((dns) => dns.name === name));
    return own.length === 0 ? [] : [[name, own] as const];
  });
  // The last cell of a line makes no machines; the one before it makes that one, and has nothing to mint for it but DNS.
  return {
    compute: tokens > 0 ? Object.keys(genome.clouds).sort() : [],
    dns: Object.fromEntries(spoken),
    mints: {
      compute: tokens > 1 || (owner && tokens > 0),
      dns: spoken.length > 0 && (owner || tokens > 0),
    },
  };
}

/** What a cell of the lineage and its descendants have now. */
export function portionOf(lineage: Lineage, id: CellId): Portion {
  const functions = new Set<FunctionName>();
  const seen = new Set<CellId>();
  let tokens = 0;
  const queue = [id];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const cell = lineage.cells[next];
    if (cell === undefined || cell.state === 'gone' || seen.has(next)) continue;
    seen.add(next);
    for (const name of cell.functions) functions.add(name);
    tokens += cell.budget + cell.attempts.length + (next === id ? 0 : 1);
    for (const other of Object.values(lineage.cells)) if (other.parent === next) queue.push(other.id);
  }
  return { functions: [...functions].sort(), tokens };
}

/** Whether everything in one need is in the other. */
export function isWithin(need: Need, of: Need): boolean {
  const all = (some: readonly string[], among: readonly string[] = []) => some.every((one) => among.includes(one));
  return (
    all(need.compute, of.compute) &&
    Object.entries(need.dns).every(([name, domains]) => Object.hasOwn(of.dns, name) && all(domains, of.dns[name])) &&
    (!need.mints.compute || of.mints.compute) &&
    (!need.mints.dns || of.mints.dns)
  );
}
