/**
 * The ingress that a machine comes with (a real one gets Caddy, caddy.ts): one JSON file says all of its routes, `systemctl reload` makes it read
 * them. A request that meets no upstream waits up to `tryFor`, which is why none fails while a function moves.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { IngressRoute } from '../decide/routes.ts';
import type { Layout } from '../layout.ts';
import { readIfThere, writeAtomic } from './files.ts';
import { systemctl } from './systemctl.ts';

export type Route = IngressRoute;

const UNIT = 'cell-ingress';

/** The file's text; pure. One route a line, so that a person can compare two. */
function ingressText(routes: readonly Route[]): string {
  if (routes.length === 0) return '{ "v": 1, "routes": [] }\n';
  return `{ "v": 1, "routes": [\n${routes.map((route) => `  ${JSON.stringify(route)}`).join(',\n')}\n] }\n`;
}

/** There while routes are written that the ingress may not have read: a tick may be killed between the two. */
export const unreadOf = (layout: Layout) => join(layout.home, 'ingress.unread');

/** Writes the routes. True when the ingress has to be reloaded. */
export async function writeIngress(layout: Layout, routes: readonly Route[]): Promise<boolean> {
  const text = ingressText(routes);
  if ((await readIfThere(layout.ingressFile)) === text) return existsSync(unreadOf(layout));
  await writeAtomic(unreadOf(layout), '');
  await writeAtomic(layout.ingressFile, text);
  return true;
}

/** Writes the routes and has the ingress read them, if they differ. */
export async function conduct(layout: Layout, routes: readonly Route[]): Promise<boolean> {
  const changed = await writeIngress(layout, routes);
  if (changed) await reloadIngress(layout);
  return changed;
}

/** Answers once no request is under way to an upstream that is no longer listed (or after 10 s). */
export async function reloadIngress(layout: Layout): Promise<void> {
  await systemctl('reload', UNIT);
  await rm(unreadOf(layout), { force: true });
}
