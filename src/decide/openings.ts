/** What a cell's packet filter has to let in, from the genome and the lineage. Pure. */
import type { Genome } from '../../genome/schema.ts';
import type { CellId, Lineage } from '../model.ts';

export interface Wanted {
  /** TCP ports for everybody: where the ingress answers for domains. */
  readonly web: readonly number[];
  /** TCP ports for the organism's other cells: those of its functions. */
  readonly ports: readonly number[];
  /** Those cells' addresses, or names that have some. */
  readonly cells: readonly string[];
}

const HTTPS = 443;

/**
 * By the whole genome and not by what lives here now: a function that is on its way must be reached at once, and where
 * none is, nothing listens.
 */
export function openings(
  genome: Pick<Genome, 'functions' | 'ingress'>,
  lineage: Pick<Lineage, 'cells'>,
  self: CellId,
): Wanted {
  const genes = Object.values(genome.functions);
  const serves = genes.some((gene) => gene.domain !== undefined) || genome.ingress.metrics;
  const secure = genome.ingress.acme !== undefined;
  const httpPort = lineage.cells[self]?.reach.httpPort;
  return {
    web: serves && httpPort !== undefined ? [httpPort, ...(secure ? [HTTPS] : [])] : [],
    ports: [...new Set(genes.flatMap((gene) => gene.port ?? []))].sort((a, b) => a - b),
    cells: Object.values(lineage.cells)
      .filter((cell) => cell.id !== self && cell.state !== 'gone')
      .map((cell) => cell.reach.address)
      .sort(),
  };
}
