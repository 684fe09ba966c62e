/**
 * Requests that fail while a function moves to a child, under a steady load from a client that knows a domain name only.
 * It counts only when the load was steady.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '../src/here.ts';
import { startLoad } from '../src/load.ts';
import { divide } from './division.ts';
import { type Garden, TTL_MS } from './garden.ts';
import { atMost, type Measure, reported } from './measure.ts';

const RATE = 200;
/** Of the rate: less was sent than that, and nothing is proved. */
const STEADY = 0.95;

export async function measureMoving(garden: Garden): Promise<readonly Measure[]> {
  const { first, dnsPort } = garden;
  const load = startLoad({
    domain: 'web.bench.test',
    path: '/',
    rate: RATE,
    dns: { address: '127.0.0.1', port: dnsPort, ttlMs: TTL_MS },
    httpPort: first.reach.httpPort,
    random: systemRandom,
  });
  const began = performance.now();
  try {
    await sleep(1_000);
    const { figures } = await divide(garden, 'web');
    // Clients that ask DNS again now must find it too.
    await sleep(2 * TTL_MS);
    const seconds = (performance.now() - began) / 1_000;
    const { sent, failed, failures, slowest, byAddress } = await load.stop();
    for (const failure of failures) process.stderr.write(`  ${failure}\n`);
    const elsewhere = sent - failed - (byAddress[first.reach.address] ?? 0);
    if (elsewhere === 0) throw new Error('no request was answered by the child');
    const rate = sent / seconds;
    const failing = atMost(`requests that fail while a function moves, at ${RATE} a second`, 'requests', failed, 0);
    return [
      { ...failing, ok: failing.ok === true && rate >= STEADY * RATE },
      reported('while it moved: requests sent', 'a second', rate),
      reported('while it moved: slowest request', 'ms', slowest),
      reported('while it moved: pause of the function', 'ms', figures['pauseMs:web'] ?? Number.NaN),
    ];
  } finally {
    await load.stop();
  }
}
