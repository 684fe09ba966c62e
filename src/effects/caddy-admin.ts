/** Caddy's admin API, over its socket: what is loaded, and what is under way to its upstreams. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

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
const underWay = (admin: string) => ask<readonly Counter[]>(admin, '/reverse_proxy/upstreams');

/** The servers that are loaded, by name, each with the upstreams it dials. None where Caddy does not answer. */
export async function loadedServers(admin: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const loaded = await ask<{ apps?: { http?: { servers?: object } } } | null>(admin, '/config/').catch(() => null);
  const servers = Object.entries(loaded?.apps?.http?.servers ?? {});
  return new Map(servers.map(([name, server]) => [name, [...new Set(dialled(server))]]));
}

/** Every `dial` in a piece of configuration. */
function dialled(piece: unknown): readonly string[] {
  if (typeof piece !== 'object' || piece === null) return [];
  return Object.entries(piece).flatMap(([key, value]) => {
    return key === 'dial' && typeof value === 'string' ? [value] : dialled(value);
  });
}

/** Whether somebody accepts connections at `address:port`; whoever takes longer than `ms` for it does not. */
export function accepts(upstream: string, ms: number): Promise<boolean> {
  const colon = upstream.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = connect({ host: upstream.slice(0, colon), port: Number(upstream.slice(colon + 1)), timeout: ms });
    const end = (does: boolean) => {
      socket.destroy();
      resolve(does);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** Throws when nobody answers at the socket, or something else than 200. */
function ask<T>(admin: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    // On a Unix socket Caddy takes no Host but an empty one.
    const asked = request({ socketPath: admin, path, headers: ['Host', ''], agent: false }, (response) => {
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
          resolve(JSON.parse(text) as T);
        } catch (error) {
          reject(error);
        }
      });
    });
    asked.setTimeout(5_000, () => asked.destroy(new Error('Caddy does not answer')));
    asked.on('error', reject);
    asked.end();
  });
}
