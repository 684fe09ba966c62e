/** What a cell's packet filter has to let in, from the genome and the lineage. Pure. */
import type { Genome } from '../../genome/schema.ts';
import type { CellId, Lineage } from '../model.ts';

export interface Served {
  /** TCP ports for everybody: where the ingress answers for domains. */
  readonly web: readonly number[];
  /** TCP ports for the organism's other cells: those of its functions. */
  readonly ports: readonly number[];
}

export interface Wanted extends Served {
  /** Those cells' addresses, or names that have some. */
  readonly cells: readonly string[];
}

const HTTPS = 443;

/**
 * By the whole genome and not by what lives somewhere now: a function that is on its way must be reached at once, and where
 * none is, nothing listens.
 */
export function served(genome: Pick<Genome, 'functions' | 'ingress'>, httpPort: number): Served {
  const genes = Object.values(genome.functions);
  const serves = genes.some((gene) => gene.domain !== undefined) || genome.ingress.metrics;
  const secure = genome.ingress.acme !== undefined;
  return {
    web: serves ? [httpPort, ...(secure ? [HTTPS] : [])] : [],
    ports: [...new Set(genes.flatMap((gene) => gene.port ?? []))].sort((a, b) => a - b),
  };
}

export function openings(
  genome: Pick<Genome, 'functions' | 'ingress'>,
  lineage: Pick<Lineage, 'cells'>,
  self: CellId,
): Wanted {
  const httpPort = lineage.cells[self]?.reach.httpPort;
  const { web, ports } = served(genome, httpPort ?? 0);
  return {
    web: httpPort === undefined ? [] : web,
    ports,
    cells: Object.values(lineage.cells)
      .filter((cell) => cell.id !== self && cell.state !== 'gone')
      .map((cell) => cell.reach.address)
      .sort(),
  };
}
