/**
 * Lines for the log, sent in batches. They wait here while the log is away; too many, and the oldest are let go.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './lib/where.js';

/** How often (ms) lines are sent to the log. */
const SEND_EVERY = 500;
const MAX_LINES = 5_000;

/** Begins to send. `add(line)` takes one, `figures()` gives { waiting, dropped }, `close()` sends what it can. */
export function sendLines() {
  let lines = [];
  let dropped = 0;
  let stopped = false;

  async function send() {
    if (lines.length === 0) return;
    const batch = lines;
    lines = [];
    try {
      const { status } = await ask('log', { method: 'POST', path: '/lines', json: { lines: batch }, timeout: 1_000 });
      if (status !== 201) throw new Error(`the log answers ${status}`);
    } catch {
      lines = [...batch, ...lines];
    }
  }

  async function keepSending() {
    while (!stopped) {
      await send();
      await sleep(SEND_EVERY);
    }
  }
  void keepSending();

  return {
    add(line) {
      lines.push(line);
      dropped += lines.splice(0, Math.max(0, lines.length - MAX_LINES)).length;
    },
    figures: () => ({ waiting: lines.length, dropped }),
    async close() {
      stopped = true;
      await Promise.race([send(), sleep(300)]);
    },
  };
}
