/**
 * Where requests go on this cell: to the program here, into waiting while a function moves, or on to its new home.
 * Decided by decide/routes.ts and decide/gates.ts; this keeps what that needs between processes and tells the ingress.
 */
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { frontOf, HTTPS_PORT } from './decide/front.ts';
import { gates } from './decide/gates.ts';
import { routes } from './decide/routes.ts';
import { stand } from './effects/caddy.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { conduct, unreadOf } from './effects/ingress.ts';
import { freePort } from './effects/services.ts';
import { type Here, lineageOf } from './here.ts';
import { HOLD_MS } from './limits.ts';
import { readPulses } from './memory/pulses.ts';
import type { CellId, FunctionName, Lineage } from './model.ts';

export interface Forwarding {
  readonly function: FunctionName;
  readonly to: CellId;
  /** ms since the epoch. */
  readonly until: number;
  /** Our record still names it: the new home's has not been seen in DNS, and no name may be without an address. */
  readonly spoken: boolean;
}

export interface Traffic {
  readonly holding: readonly FunctionName[];
  readonly forwarding: readonly Forwarding[];
  /** The private port each program listens on. */
  readonly ports: Readonly<Record<FunctionName, number>>;
  /** Functions whose program is installed and meant to run here. */
  readonly running: readonly FunctionName[];
  /** Domains that our records name. */
  readonly published: readonly string[];
}

const NOTHING: Traffic = { holding: [], forwarding: [], ports: {}, running: [], published: [] };
const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'traffic.json');

export async function trafficOf(here: Pick<Here, 'home'>): Promise<Traffic> {
  return { ...NOTHING, ...(await readJson<Partial<Traffic>>(fileOf(here), {})) };
}

/** Changes the traffic state; the caller holds the cell's lock. */
export async function change(here: Pick<Here, 'home'>, how: (traffic: Traffic) => Partial<Traffic>): Promise<Traffic> {
  const before = await trafficOf(here);
  const after = { ...before, ...how(before) };
  await writeAtomic(fileOf(here), JSON.stringify(after));
  return after;
}

/** Functions that went need no record of ours any more: their new home is seen in DNS. All that went, unless named. */
export async function hush(here: Pick<Here, 'home'>, names?: readonly FunctionName[]): Promise<void> {
  await change(here, ({ forwarding }) => ({
    forwarding: forwarding.map((entry) => {
      return names === undefined || names.includes(entry.function) ? { ...entry, spoken: false } : entry;
    }),
  }));
}

/** The address programs listen on: loopback of this machine. */
export function hostOf(lineage: Lineage, id: CellId): string {
  const address = lineage.cells[id]?.reach.address ?? '127.0.0.1';
  return address.startsWith('127.') ? address : '127.0.0.1';
}

/** The private port of a function, chosen once. */
export async function portOf(here: Here, name: FunctionName, host: string): Promise<number> {
  const known = (await trafficOf(here)).ports[name];
  if (known !== undefined) return known;
  const port = await freePort(host);
  await change(here, (traffic) => ({ ports: { ...traffic.ports, [name]: port } }));
  return port;
}

/** Functions will come: their routes are there before they are, shut, so that none is to be loaded while requests wait. */
export async function expected(here: Here, genome: Genome, names: readonly FunctionName[]): Promise<void> {
  const lineage = await lineageOf(here);
  for (const name of names) await portOf(here, name, hostOf(lineage, here.identity.id));
  await direct(here, genome, lineage);
}

/** Makes the ingress stand as it should now; answers once nothing is under way to a program that it left. */
export async function direct(here: Here, genome: Genome, lineage: Lineage): Promise<boolean> {
  const { layout, home } = here;
  const traffic = await trafficOf(here);
  const view = {
    genome,
    lineage,
    self: here.identity.id,
    host: hostOf(lineage, here.identity.id),
    ports: traffic.ports,
    running: traffic.running,
    holding: new Set(traffic.holding),
    forwarding: traffic.forwarding,
    tryForMs: HOLD_MS,
    pulses: readPulses(home),
    freshFor: genome.healing.suspectAfter,
    now: here.clock(),
  };
  const { caddy } = layout;
  // One that is prepared and not started yet has its routes already: requests wait.
  if (caddy === null) return conduct(layout, routes(view, Object.keys(traffic.ports)));
  const ways = gates(view, genome.ingress.acme === undefined ? null : HTTPS_PORT);
  const { whereFile, metricsFile } = layout;
  const { published } = traffic;
  const front = frontOf({
    genome,
    traffic: view,
    gates: ways,
    published,
    whereFile,
    metricsFile,
    roots: caddy.roots,
  });
  const roots = genome.ingress.acme?.roots;
  return stand(caddy, {
    front,
    gates: ways,
    roots: roots === undefined ? null : join(home, 'genome', roots),
    unread: unreadOf(layout),
  });
}
