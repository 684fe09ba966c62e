/**
 * Caddy as a cell's ingress: its gates are links, turned one by one (decide/caddy.ts says why), and whether a program that
 * a gate led to has answered everything is asked of Caddy's own counters, over its socket.
 */
import { mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CaddySettings, caddyConfig, type Front, GRACE_MS, serverOf, socketOf } from '../decide/caddy.ts';
import { KNOCK_MS } from '../decide/caddy-parts.ts';
import { type Gate, HERE } from '../decide/gates.ts';
import type { CaddyPlaces } from '../layout.ts';
import { accepts, drained, loadedServers } from './caddy-admin.ts';
import { certified } from './certificates.ts';
import { codeOf, readIfThere, writeAtomic, writeIfChanged } from './files.ts';
import { systemctl } from './systemctl.ts';

export const UNIT = 'cell-ingress';

/** ms; Caddy takes three seconds to find that nobody is at an address, and then asks the gate again. */
const DIAL_MS = 4_000;
/** ms; a program or a cell that takes longer to accept a connection counts as one that is waited for. */
const ANSWERS_MS = 300;

/** What Caddy begins with: nothing but the socket by which it is told more. */
export function emptyConfig({ sockets }: Pick<CaddyPlaces, 'sockets'>): string {
  return `${JSON.stringify({ admin: { listen: `unix/${sockets}/admin`, config: { persist: false } } }, null, 1)}\n`;
}

export interface Standing {
  readonly front: Front;
  readonly gates: readonly Gate[];
  /** The roots of the certificate authority, in the genome's folder; null: the system's. */
  readonly roots: string | null;
  /** A file that is there while something was written that may not be in effect. */
  readonly unread: string;
}

/**
 * Makes Caddy stand as it should: loads the configuration if it differs, turns the gates, and answers once no request is
 * under way to a program that no gate leads to any more (or after 10 s). True when anything changed.
 *
 * @param reload has Caddy read its configuration.
 */
export async function stand(
  places: Omit<CaddyPlaces, 'aside'>,
  { front, gates, roots, unread }: Standing,
  reload: () => Promise<unknown> = () => systemctl('reload-or-restart', UNIT),
): Promise<boolean> {
  const interrupted = (await readIfThere(unread)) !== null;
  const settings = { ...front, ...places, acme: front.acme };
  if (front.acme !== null) {
    const wanted = gates.flatMap(({ match }) => ('domain' in match ? [match.domain] : []));
    // Where there is a certificate, none has to be asked for before it is needed.
    const domains = [...new Set([...front.acme.domains, ...(await certified(places, wanted))])].sort();
    settings.acme = { ...front.acme, domains };
    if (roots !== null) await writeIfChanged(places.roots, (await readIfThere(roots)) ?? '');
  }
  const text = `${JSON.stringify(caddyConfig(gates, settings), null, 1)}\n`;
  const same = (await readIfThere(places.config)) === text;
  if (!same) {
    await mark(unread);
    await writeAtomic(places.config, text);
  }
  let [put, early]: [boolean, readonly string[]] = [false, []];
  if (!same || interrupted) {
    early = (await turnFirst(settings, gates, unread)).left;
    put = await mayWait(settings, gates, unread);
    if (!put) await reload();
  }
  const turned = await turn(settings, gates, unread);
  // A tick that was killed while it waited may have left requests under way to any program.
  const left = interrupted ? gates.flatMap(programs) : [...early, ...turned.left];
  await drained(join(places.sockets, 'admin'), left, GRACE_MS);
  if (!put) await rm(unread, { force: true });
  return !same || interrupted || turned.changed;
}

/**
 * Says that something is written that may not be in effect; since when is the file's own time. In it, line by line, are
 * gates that were turned away from a cell that may be dead, with whoever waited for it.
 */
async function mark(unread: string, turned: readonly Gate[] = []): Promise<void> {
  const before = await readIfThere(unread);
  if (before !== null && turned.length === 0) return;
  await writeAtomic(unread, [...(before ?? '').split('\n'), ...turned.map(({ name }) => name)].join('\n'));
}

/**
 * A reload sends away whoever waits: at a shut gate, or for a cell that does not answer. So gates that lead elsewhere now are
 * turned before it, where what is loaded has their way, and those who wait get the time to go through: from then on they
 * are under way, and a reload lets them be.
 */
async function turnFirst(settings: CaddySettings, gates: readonly Gate[], unread: string): Promise<Turned> {
  const admin = join(settings.sockets, 'admin');
  const loaded = await loadedServers(admin);
  const known = gates.filter(({ name, leads }) => leads !== null && loaded.has(serverOf(name, leads)));
  const shut = await shutGates(settings, known);
  const cells = new Map<Gate, readonly string[]>();
  for (const gate of known) {
    const left = await leftCell(settings, gate, loaded);
    if (left.length > 0) cells.set(gate, left);
  }
  if (shut.length + cells.size === 0) return { changed: false, left: [] };
  if (cells.size > 0) await mark(unread, [...cells.keys()]);
  const turned = await turnEach(settings, [...shut, ...cells.keys()], unread);
  if (shut.length > 0) await sleep(3 * KNOCK_MS);
  await drained(admin, [...cells.values()].flat(), DIAL_MS);
  return turned;
}

/** The address of the cell that a gate leads to until now, and will not any more. */
async function leftCell(
  settings: CaddySettings,
  gate: Gate,
  loaded: ReadonlyMap<string, readonly string[]>,
): Promise<readonly string[]> {
  const link = await readLink(join(settings.gates, 'gate', gate.name));
  if (link === null || link === socketOf(settings, gate, gate.leads) || link === socketOf(settings, gate, HERE)) {
    return [];
  }
  const led = [...loaded].find(([server]) => link.endsWith(`/to.${server}`));
  return (led?.[1] ?? []).filter((dial) => !dial.startsWith('unix/'));
}

/** Whether the reload can wait for a later time: somebody may wait still, and nothing is wanted that is not loaded. */
async function mayWait(settings: CaddySettings, gates: readonly Gate[], unread: string): Promise<boolean> {
  const loaded = await loadedServers(join(settings.sockets, 'admin'));
  if (gates.some(({ name, leads }) => leads !== null && !loaded.has(serverOf(name, leads)))) return false;
  const marked = ((await readIfThere(unread)) ?? '').split('\n');
  const turned = gates.filter(({ name }) => marked.includes(name));
  const waited = [...(await shutGates(settings, gates)), ...(await unanswered(turned))];
  if (waited.length === 0) return false;
  // Nobody waits longer than that.
  const longest = Math.max(...waited.map(({ waitFor }) => waitFor));
  return Date.now() - (await stat(unread)).mtimeMs < longest;
}

/** Those at which requests wait now. */
async function shutGates(settings: CaddySettings, gates: readonly Gate[]): Promise<readonly Gate[]> {
  const shut = socketOf(settings, null, null);
  const links = await Promise.all(gates.map(({ name }) => readLink(join(settings.gates, 'gate', name))));
  return gates.filter((_, index) => links[index] === shut);
}

/** Those that lead to a program, or a cell, that takes no connection: one that is about to start is waited for. */
async function unanswered(gates: readonly Gate[]): Promise<readonly Gate[]> {
  const dials = gates.map(({ ways, leads }) => {
    const way = ways.find(({ key }) => key === leads);
    return way === undefined || way.kind === 'shared' ? null : way.dial;
  });
  const asked = [...new Set(dials)].filter((dial) => dial !== null);
  const answers = await Promise.all(asked.map(async (dial) => [dial, await accepts(dial, ANSWERS_MS)] as const));
  const silent = new Set(answers.flatMap(([dial, does]) => (does ? [] : [dial])));
  return gates.filter((_, index) => silent.has(dials[index] ?? ''));
}

/** The programs of a gate that does not lead to them. */
function programs({ ways, leads }: Gate): readonly string[] {
  if (ways.some(({ key, kind }) => key === leads && kind !== 'cell')) return [];
  return ways.flatMap((way) => (way.kind === 'program' ? [way.dial] : []));
}

export interface Turned {
  readonly changed: boolean;
  /** Upstreams (`address:port`) of programs that gates led to before and do not any more. */
  readonly left: readonly string[];
}

/** Turns the gates, each whole at any moment, and takes away those that are no more. */
async function turn(
  settings: Pick<CaddySettings, 'sockets' | 'gates'>,
  gates: readonly Gate[],
  unread: string,
): Promise<Turned> {
  const { changed, left } = await turnEach(settings, gates, unread);
  const known = new Set(gates.map(({ name }) => name));
  const stale = (await readdir(join(settings.gates, 'gate'))).filter((name) => !known.has(name));
  if (stale.length > 0) await mark(unread);
  for (const name of stale) {
    for (const folder of ['gate', 'open']) await rm(join(settings.gates, folder, name), { force: true });
  }
  return { changed: changed || stale.length > 0, left };
}

async function turnEach(
  settings: Pick<CaddySettings, 'sockets' | 'gates'>,
  gates: readonly Gate[],
  unread: string,
): Promise<Turned> {
  const [gateDir, openDir] = [join(settings.gates, 'gate'), join(settings.gates, 'open')];
  await Promise.all([mkdir(gateDir, { recursive: true }), mkdir(openDir, { recursive: true })]);
  const left: string[] = [];
  const shut = socketOf(settings, null, null);
  const before = new Map<string, string | null>();
  for (const gate of gates) before.set(gate.name, await readLink(join(gateDir, gate.name)));
  const turning = gates.filter((gate) => before.get(gate.name) !== socketOf(settings, gate, gate.leads));
  if (turning.length > 0) await mark(unread);
  for (const gate of turning) {
    const socket = socketOf(settings, gate, gate.leads);
    // Whoever is sent to wait is let through while there is an open link: so it goes first, and comes first.
    if (gate.leads === null) await rm(join(openDir, gate.name), { force: true });
    else await link(join(openDir, gate.name), socket);
    await link(join(gateDir, gate.name), socket);
    if ((before.get(gate.name) ?? shut) !== shut) left.push(...programs(gate));
  }
  return { changed: turning.length > 0, left: [...new Set(left)] };
}

async function link(path: string, target: string): Promise<void> {
  if ((await readLink(path)) === target) return;
  const fresh = `${path}~`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  // Replaced whole: at no moment does the gate lead nowhere.
  await rename(fresh, path);
}

async function readLink(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}
