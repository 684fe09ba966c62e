/** A steady load for the lab: so many requests a second, whatever the answers do, on kept or on fresh connections. */
import { Agent, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SteadyOptions {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly rate: number;
  /** Kept connections; else each request comes on one of its own. */
  readonly keep: boolean;
  /** Every so many-th request is a POST with a body. */
  readonly postEvery?: number;
  readonly bytes?: number;
  /** The authority's roots, for HTTPS. */
  readonly ca?: string;
}

export interface Steady {
  readonly sent: () => number;
  stop(): Promise<{ sent: number; failures: string[]; slowest: number; byAnswer: Record<string, number> }>;
}

/** The upstream must answer a POST with the number of bytes that it got, after a blank. */
export function steady(options: SteadyOptions): Steady {
  const { rate, keep, postEvery = 4, bytes = 2_000 } = options;
  const { ca } = options;
  const pool = { keepAlive: true, maxSockets: 256 };
  const agent = !keep ? false : ca === undefined ? new Agent(pool) : new SecureAgent({ ...pool, ca });
  const failures: string[] = [];
  const byAnswer: Record<string, number> = {};
  const pending = new Set<Promise<void>>();
  const body = Buffer.alloc(bytes, 'x');
  let [sent, slowest, running] = [0, 0, true];

  function once(post: boolean, began = performance.now(), again = false): Promise<void> {
    const method = post ? 'POST' : 'GET';
    return new Promise((resolve) => {
      const failed = (why: string) => {
        failures.push(`${Math.round(began)} ${method} ${why} after ${Math.round(performance.now() - began)} ms`);
        resolve();
      };
      const ask = ca === undefined ? request : secureRequest;
      const asked = ask(
        {
          ...(ca === undefined ? {} : { ca, servername: options.host }),
          host: options.address,
          port: options.port,
          path: '/load',
          method,
          // On a connection of its own the second time: another kept one may be closed just as well.
          agent: again ? false : agent,
          headers: { host: options.host, ...(post ? { 'content-length': bytes } : {}) },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('error', (error) => failed(error.message));
          response.on('end', () => {
            const [who = '', got] = text.split(' ');
            slowest = Math.max(slowest, performance.now() - began);
            if (response.statusCode !== 200) return failed(`${response.statusCode} ${text.slice(0, 80)}`);
            if (post && Number(got) !== bytes) return failed(`only ${got} bytes arrived`);
            byAnswer[who] = (byAnswer[who] ?? 0) + 1;
            resolve();
          });
        },
      );
      asked.on('error', (error: NodeJS.ErrnoException) => {
        // Closed while it was idle: every client that keeps connections sends again then what it may send twice.
        if (!again && !post && asked.reusedSocket && error.code === 'ECONNRESET') {
          void once(post, began, true).then(resolve);
          return;
        }
        failed(`${error.message}${asked.reusedSocket ? ' (kept connection)' : ''}`);
      });
      asked.end(post ? body : undefined);
    });
  }

  const beat = (async () => {
    for (let due = performance.now(); running; due += 1000 / rate) {
      const wait = due - performance.now();
      if (wait > 1) await sleep(wait);
      // A machine that stood still makes no storm afterwards.
      if (wait < -1000) due = performance.now();
      sent++;
      const one: Promise<void> = once(sent % postEvery === 0).finally(() => pending.delete(one));
      pending.add(one);
    }
  })();

  return {
    sent: () => sent,
    async stop() {
      running = false;
      await beat;
      await Promise.all(pending);
      if (agent !== false) agent.destroy();
      return { sent, failures, slowest, byAnswer };
    },
  };
}
