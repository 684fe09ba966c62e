/**
 * Caddy as a cell's ingress: its gates are links, turned one by one (decide/caddy.ts says why), and whether a program that
 * a gate led to has answered everything is asked of Caddy's own counters, over its socket.
 */
import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CaddySettings, caddyConfig, type Front, GRACE_MS, socketOf } from '../decide/caddy.ts';
import type { Gate } from '../decide/gates.ts';
import type { CaddyPlaces } from '../layout.ts';
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
 */
export async function stand(places: CaddyPlaces, { front, gates, roots, unread }: Standing): Promise<boolean> {
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
    await writeAtomic(unread, '');
    await writeAtomic(places.config, text);
  }
  if (!same || interrupted) await systemctl('reload-or-restart', UNIT);
  const turned = await turn(settings, gates, unread);
  // A tick that was killed while it waited may have left requests under way to any program.
  const left = interrupted ? gates.flatMap(programs) : turned.left;
  await drained(join(places.sockets, 'admin'), left, GRACE_MS);
  await rm(unread, { force: true });
  return !same || interrupted || turned.changed;
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

/** Turns the gates, each whole at any moment. */
export async function turn(
  settings: Pick<CaddySettings, 'sockets' | 'gates'>,
  gates: readonly Gate[],
  unread: string,
): Promise<Turned> {
  const [gateDir, openDir] = [join(settings.gates, 'gate'), join(settings.gates, 'open')];
  await Promise.all([mkdir(gateDir, { recursive: true }), mkdir(openDir, { recursive: true })]);
  const left: string[] = [];
  const known = new Set(gates.map(({ name }) => name));
  const shut = socketOf(settings, null, null);
  const before = new Map<string, string | null>();
  for (const gate of gates) before.set(gate.name, await readLink(join(gateDir, gate.name)));
  const turning = gates.filter((gate) => before.get(gate.name) !== socketOf(settings, gate, gate.leads));
  const stale = (await readdir(gateDir)).filter((name) => !known.has(name));
  const changed = turning.length > 0 || stale.length > 0;
  if (changed) await writeAtomic(unread, '');
  for (const gate of turning) {
    const socket = socketOf(settings, gate, gate.leads);
    // Whoever is sent to wait is let through while there is an open link: so it goes first, and comes first.
    if (gate.leads === null) await rm(join(openDir, gate.name), { force: true });
    else await link(join(openDir, gate.name), socket);
    await link(join(gateDir, gate.name), socket);
    if ((before.get(gate.name) ?? shut) !== shut) left.push(...programs(gate));
  }
  for (const name of stale) {
    await rm(join(gateDir, name), { force: true });
    await rm(join(openDir, name), { force: true });
  }
  return { changed, left: [...new Set(left)] };
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

/** Time between two looks, ms; and how often in a row there must be nothing: a request may be between two stages. */
const LOOK_EVERY = 25;
const LOOKS = 4;

/** Waits until no request is under way to any of these upstreams, at most `ms`. False when some still were. */
export async function drained(admin: string, upstreams: readonly string[], ms: number): Promise<boolean> {
  if (upstreams.length === 0) return true;
  const deadline = performance.now() + ms;
  for (let quiet = 0; quiet < LOOKS; ) {
    const busy = (await underWay(admin)).filter(({ address, num_requests }) => {
      return num_requests > 0 && upstreams.includes(address);
    });
    quiet = busy.length === 0 ? quiet + 1 : 0;
    if (performance.now() > deadline) return false;
    await sleep(LOOK_EVERY);
  }
  return true;
}

interface Counter {
  readonly address: string;
  readonly num_requests: number;
}

/** Caddy's counters, by upstream. */
function underWay(admin: string): Promise<readonly Counter[]> {
  return new Promise((resolve, reject) => {
    // On a Unix socket Caddy takes no Host but an empty one.
    const asked = request(
      { socketPath: admin, path: '/reverse_proxy/upstreams', headers: ['Host', ''], agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          try {
            if (response.statusCode !== 200)
              throw new Error(`Caddy answers ${response.statusCode}: ${text.slice(0, 200)}`);
            resolve(JSON.parse(text) as readonly Counter[]);
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    asked.setTimeout(5_000, () => asked.destroy(new Error('Caddy does not answer')));
    asked.on('error', reject);
    asked.end();
  });
}
