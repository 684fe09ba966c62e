/**
 * A steady client that knows a domain name and a DNS server, nothing else: what a demo, a test or a measurement puts on
 * an organism. It asks DNS again when the TTL is over, takes one of the addresses, and counts what failed.
 */
import { Resolver } from 'node:dns/promises';
import { Agent, request } from 'node:http';
import type { Random } from './model.ts';

export interface LoadOptions {
  readonly domain: string;
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  readonly dns: { readonly address: string; readonly port: number; readonly ttlMs: number };
  readonly httpPort: number;
  readonly timeoutMs?: number;
  readonly random: Random;
}

export interface LoadReport {
  readonly sent: number;
  readonly failed: number;
  /** Sent once more, for the connection that it was sent on, kept from before, was closed at that moment. */
  readonly again: number;
  /** The first failures, for people. */
  readonly failures: readonly string[];
  /** Answers by address, in all. */
  readonly byAddress: Readonly<Record<string, number>>;
  /** ms; of answered requests. */
  readonly slowest: number;
  /** When the oldest of those that wait for an answer was sent, ms since the epoch; null when none does. */
  readonly waitingSince: number | null;
}

export interface Load {
  rate(perSecond: number): void;
  report(): LoadReport;
  /** Sends nothing more and waits for what is under way. */
  stop(): Promise<LoadReport>;
}

const BEAT_MS = 10;
const FAILURES_KEPT = 500;
/** Characters of what an answer that failed says. */
const SAID_KEPT = 160;

export function startLoad(options: LoadOptions): Load {
  const resolver = new Resolver({ timeout: 1_000, tries: 3 });
  resolver.setServers([`${options.dns.address}:${options.dns.port}`]);
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const pending = new Map<Promise<void>, number>();
  const failures: string[] = [];
  const byAddress: Record<string, number> = {};
  let [sent, failed, again, slowest, rate, owed] = [0, 0, 0, 0, options.rate, 0];
  let known: { addresses: readonly string[]; until: number } = { addresses: [], until: 0 };
  let asking: Promise<void> | null = null;

  function fail(why: string): void {
    failed += 1;
    if (failures.length < FAILURES_KEPT) failures.push(`${new Date().toISOString().slice(11, 23)} ${why}`);
  }

  async function ask(): Promise<void> {
    try {
      const answers = await resolver.resolve4(options.domain);
      known = { addresses: answers, until: Date.now() + options.dns.ttlMs };
    } catch (error) {
      // As a caching resolver would with serve-stale: what was known is used until the server answers again.
      if (known.addresses.length === 0) fail(`DNS: ${(error as Error).message}`);
      known = { addresses: known.addresses, until: Date.now() + 200 };
    } finally {
      asking = null;
    }
  }

  async function once(): Promise<void> {
    if (known.until <= Date.now()) {
      asking ??= ask();
      await asking;
    }
    const address = known.addresses[Math.floor(options.random() * known.addresses.length)];
    if (address === undefined) return fail(`no address for ${options.domain}`);
    sent += 1;
    await send(address, agent);
  }

  /** @param through the kept connections, or none of them. */
  async function send(address: string, through: Agent | false): Promise<void> {
    const began = Date.now();
    const stale = await new Promise<boolean>((resolve) => {
      const call = request(
        {
          host: address,
          port: options.httpPort,
          path: options.path,
          agent: through,
          headers: { host: options.domain },
        },
        (response) => {
          const status = response.statusCode ?? 0;
          const good = status >= 200 && status <= 299;
          let said = '';
          // Read to its end either way; of a failure the beginning is kept, for it says why.
          response.on('data', (chunk: Buffer) => {
            if (!good && said.length < SAID_KEPT) said += chunk;
          });
          response.on('error', () => {});
          response.on('close', () => {
            if (!response.complete) fail(`${address}: the answer broke off`);
            else if (!good) fail(`${address}: ${status} ${said.slice(0, SAID_KEPT).trim()}`.trim());
            else byAddress[address] = (byAddress[address] ?? 0) + 1;
            slowest = Math.max(slowest, Date.now() - began);
            resolve(false);
          });
        },
      );
      call.setTimeout(options.timeoutMs ?? 45_000, () => call.destroy(new Error('no answer in time')));
      call.on('error', (error: NodeJS.ErrnoException) => {
        // Whoever closes a kept connection may do so while a request is on its way (RFC 9112, 9.3.1): to be sent again.
        const closed = call.reusedSocket && error.code === 'ECONNRESET';
        if (!closed) fail(`${address}: ${error.message}`);
        resolve(closed);
      });
      call.end();
    });
    if (!stale) return;
    again += 1;
    await send(address, false);
  }

  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    owed = Math.min(owed + ((now - last) * rate) / 1000, rate);
    last = now;
    for (; owed >= 1; owed--) {
      const one = once().finally(() => pending.delete(one));
      pending.set(one, now);
    }
  }, BEAT_MS);

  const report = (): LoadReport => ({
    ...{ sent, failed, again, slowest },
    failures: [...failures],
    byAddress: { ...byAddress },
    waitingSince: pending.size === 0 ? null : Math.min(...pending.values()),
  });
  return {
    rate(perSecond) {
      rate = perSecond;
    },
    report,
    async stop() {
      clearInterval(timer);
      await Promise.all(pending.keys());
      agent.destroy();
      return report();
    },
  };
}
