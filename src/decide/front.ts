/** What stands in front of a cell's functions, from its genome and lineage, but for where files are. Pure. */
import type { Genome } from '../../genome/schema.ts';
import type { Cell, FunctionName } from '../model.ts';
import type { Front } from './caddy.ts';
import { type Gate, homes, neighbours } from './gates.ts';
import { type Traffics, whither } from './routes.ts';

/** Domains are served here when the genome asks for certificates. */
export const HTTPS_PORT = 443;

export interface FrontParts {
  readonly genome: Pick<Genome, 'functions' | 'ingress'>;
  readonly traffic: Traffics;
  readonly gates: readonly Gate[];
  /** Domains that this cell's records name, so that an authority that asks DNS comes here. */
  readonly published: readonly string[];
  readonly whereFile: string;
  readonly metricsFile: string;
  /** The authority's roots as a file that Caddy can read. */
  readonly roots: string;
}

/** More homes than that do not ask each other for challenges. */
const ASKED = 16;

/** Who may know a challenge for a name that is not known here: its other homes, and where it went. */
function askable(traffic: Traffics, name: FunctionName): readonly Cell[] {
  const others = homes(traffic, name, ASKED);
  const to = traffic.lineage.cells[whither(traffic, name) ?? ''];
  return to === undefined || to.id === traffic.self || others.includes(to) ? others : [to, ...others];
}

export function frontOf({ genome, traffic, gates, published, whereFile, metricsFile, roots }: FrontParts): Front {
  const self = traffic.lineage.cells[traffic.self];
  const { acme, metrics } = genome.ingress;
  const own = gates.flatMap(({ match, function: name }) => ('domain' in match ? [[match.domain, name] as const] : []));
  const near = [...neighbours(traffic), ...own.flatMap(([, name]) => homes(traffic, name))];
  return {
    self: self?.birth ?? '',
    httpPort: self?.reach.httpPort ?? 80,
    httpsPort: HTTPS_PORT,
    address: '',
    whereFile,
    metricsFile: metrics ? metricsFile : null,
    cells: [...new Set(near.map(({ reach }) => reach.address))].sort(),
    acme:
      acme === undefined
        ? null
        : {
            directory: acme.directory,
            email: acme.email ?? null,
            roots: acme.roots === undefined ? null : roots,
            domains: own.map(([domain]) => domain).filter((domain) => published.includes(domain)),
            others: Object.fromEntries(
              own.map(([domain, name]) => [
                domain,
                askable(traffic, name).map(({ reach }) => `${reach.address}:${reach.httpPort}`),
              ]),
            ),
          },
  };
}
