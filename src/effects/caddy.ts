/**
 * Caddy as a cell's ingress: its gates are links, turned one by one (decide/caddy.ts says why), and whether a program that
 * a gate led to has answered everything is asked of Caddy's own counters, over its socket.
 */
import { mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CaddySettings, caddyConfig, type Front, GRACE_MS, serverOf, socketOf } from '../decide/caddy.ts';
import { KNOCK_MS } from '../decide/caddy-parts.ts';
import type { Gate } from '../decide/gates.ts';
import type { CaddyPlaces } from '../layout.ts';
import { drained, loadedServers } from './caddy-admin.ts';
import { certified } from './certificates.ts';
import { codeOf, readIfThere, writeAtomic, writeIfChanged } from './files.ts';
import { systemctl } from './systemctl.ts';

export const UNIT = 'cell-ingress';

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
    early = (await openFirst(settings, gates, unread)).left;
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

/** Says that something is written that may not be in effect; since when is the file's own time. */
async function mark(unread: string): Promise<void> {
  if ((await readIfThere(unread)) === null) await writeAtomic(unread, '');
}

/**
 * A reload sends away whoever waits at a shut gate. So gates that open do so before it, where what is loaded has their
 * way, and those who wait get the time to go through: from then on they are under way, and a reload lets them be.
 */
async function openFirst(settings: CaddySettings, gates: readonly Gate[], unread: string): Promise<Turned> {
  const loaded = await loadedServers(join(settings.sockets, 'admin')).catch(() => new Set<string>());
  const shut = await shutGates(settings, gates);
  const opening = shut.filter(({ name, leads }) => leads !== null && loaded.has(serverOf(name, leads)));
  if (opening.length === 0) return { changed: false, left: [] };
  const turned = await turnEach(settings, opening, unread);
  await sleep(3 * KNOCK_MS);
  return turned;
}

/** Whether the reload can wait for a later time: somebody may wait at a gate still, and nothing is wanted that is not loaded. */
async function mayWait(settings: CaddySettings, gates: readonly Gate[], unread: string): Promise<boolean> {
  const shut = await shutGates(settings, gates);
  if (shut.length === 0) return false;
  const loaded = await loadedServers(join(settings.sockets, 'admin')).catch(() => new Set<string>());
  const lacking = gates.some(({ name, leads }) => leads !== null && !loaded.has(serverOf(name, leads)));
  // Nobody waits longer than that.
  const longest = Math.max(...shut.map(({ waitFor }) => waitFor));
  return !lacking && Date.now() - (await stat(unread)).mtimeMs < longest;
}

/** Those at which requests wait now. */
async function shutGates(settings: CaddySettings, gates: readonly Gate[]): Promise<readonly Gate[]> {
  const shut = socketOf(settings, null, null);
  const links = await Promise.all(gates.map(({ name }) => readLink(join(settings.gates, 'gate', name))));
  return gates.filter((_, index) => links[index] === shut);
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
