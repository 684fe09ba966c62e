/**
 * What is known of the upstreams of an ingress: which refuse connections now, and how many requests each is answering.
 *
 * While one refuses, a single probe knocks on it for everybody who waits, so that a thousand held requests do not
 * become a thousand connection attempts every few ms.
 */
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Upstream } from './routes.ts';

/** Time between two knocks, in ms: below what a person notices, and 40 a second are nothing. */
const KNOCK_EVERY = 25;
/** A knock that is not answered at all counts as a refusal, in ms. */
const KNOCK_WITHIN = 1_000;

export class Upstreams {
  readonly #down = new Map<string, AbortController>();
  readonly #inFlight = new Map<string, number>();
  /** `change`: an upstream came back, or the routes are new. `idle`: a request ended. */
  readonly #events = new EventEmitter().setMaxListeners(0);

  isDown(upstream: Upstream): boolean {
    return this.#down.has(keyOf(upstream));
  }

  /** It refused a connection: knocks until it takes one. */
  refused(upstream: Upstream): void {
    const key = keyOf(upstream);
    if (this.#down.has(key)) return;
    const stop = new AbortController();
    this.#down.set(key, stop);
    void this.#knock(upstream, stop.signal).then(() => {
      this.#down.delete(key);
      this.#events.emit('change');
    });
  }

  /** Tells everybody who waits to look again. */
  changed(): void {
    this.#events.emit('change');
  }

  /** Waits for a change, for the client to go, or for `ms`, whichever comes first. */
  wait(ms: number, client: Duplex): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(limit);
        this.#events.off('change', done);
        client.off('close', done);
        resolve();
      };
      const limit = setTimeout(done, Math.max(0, ms));
      this.#events.once('change', done);
      client.once('close', done);
    });
  }

  begin(upstream: Upstream): () => void {
    const key = keyOf(upstream);
    this.#inFlight.set(key, (this.#inFlight.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#inFlight.get(key) ?? 1) - 1;
      if (left > 0) this.#inFlight.set(key, left);
      else this.#inFlight.delete(key);
      if (left <= 0) this.#events.emit('idle');
    };
  }

  /** Waits until no request is with an upstream that is not in `kept`, at most `ms`. */
  async drain(kept: readonly Upstream[], ms: number): Promise<void> {
    const keys = new Set(kept.map(keyOf));
    const signal = AbortSignal.timeout(ms);
    while ([...this.#inFlight.keys()].some((key) => !keys.has(key)) && !signal.aborted) {
      await once(this.#events, 'idle', { signal }).catch(() => {});
    }
    for (const [key, stop] of this.#down) if (!keys.has(key)) stop.abort();
  }

  close(): void {
    for (const stop of this.#down.values()) stop.abort();
    this.changed();
  }

  /** Whether it takes a connection now. */
  async takes({ address, port }: Upstream): Promise<boolean> {
    const socket = connect({ host: address, port });
    const limit = setTimeout(() => socket.destroy(), KNOCK_WITHIN);
    const answered = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    clearTimeout(limit);
    socket.destroy();
    return answered;
  }

  async #knock({ address, port }: Upstream, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(KNOCK_EVERY, undefined, { signal }).catch(() => {});
      if (await this.takes({ address, port })) return;
    }
  }
}

function keyOf({ address, port }: Upstream): string {
  return `${address}:${port}`;
}
