/**
 * The load balancer on HAProxy, which does the work. This program tells it where the UIs are, tells the log what it did,
 * and answers for its metrics.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openHaproxy } from './haproxy.js';
import { refuseRoot, runFolder } from './lib/children.js';
import { requestRate, serve } from './lib/serve.js';
import { places } from './lib/where.js';
import { sendLines } from './lines.js';

/** How often (ms) where.json is looked at, and so how often at most HAProxy gets a new configuration. */
const LOOK_EVERY = 1_000;

refuseRoot();
const rate = requestRate();
const lines = sendLines();
let stopped = false;

const haproxy = await openHaproxy({
  // In an order of its own, so that only what matters makes a new configuration.
  uis: () => places('ui').sort((a, b) => (a.cell < b.cell ? -1 : 1)),
  line(line) {
    rate.count();
    lines.add(line);
  },
});

async function follow() {
  while (!stopped) {
    await sleep(LOOK_EVERY);
    // The configuration in use stays when a new one is refused.
    await haproxy.follow().catch((error) => console.error(error.message));
  }
}

serve({
  routes: {},
  listen: { path: join(await runFolder(), 'own.sock') },
  metrics: async () => ({ rps: rate.perSecond(), ...(await haproxy.figures()), ...lines.figures() }),
  close: async () => {
    stopped = true;
    await haproxy.close();
    await lines.close();
  },
});
void follow();
