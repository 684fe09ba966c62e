/**
 * Calls of the plugin, with the patience of the maker's own: what was too much (429) or in trouble (5xx, a broken
 * connection) is asked again, a POST as well, so that what only seemed to fail is made twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 5;
const PAUSE_MS = 500;
const TIMEOUT_MS = 30_000;

export type Body = Readonly<Record<string, unknown>>;

export interface Api {
  /** Null for what is not there (404). Throws what the API said. */
  ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: Body): Promise<Body | null>;
}

export function apiAt(endpoint: string, token: string): Api {
  return {
    async ask(method, path, body) {
      for (let attempt = 1; ; attempt++) {
        const last = attempt === ATTEMPTS;
        try {
          const answer = await fetch(`${endpoint}${path}`, {
            method,
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            signal: AbortSignal.timeout(TIMEOUT_MS),
          });
          const text = await answer.text();
          if (answer.status === 404) return null;
          if (answer.ok) return text === '' ? {} : (JSON.parse(text) as Body);
          const again = answer.status === 429 || answer.status >= 500;
          const why = `${method} ${endpoint}${path}: ${answer.status} ${reasonIn(text)}`;
          if (!again) throw new Refused(why);
          if (last) throw new Refused(`${why}; giving up after ${ATTEMPTS} attempt(s)`);
        } catch (thrown) {
          if (thrown instanceof Refused || thrown instanceof SyntaxError || last) throw thrown;
        }
        await sleep(PAUSE_MS * 2 ** (attempt - 1));
      }
    },
  };
}

class Refused extends Error {}

function reasonIn(text: string): string {
  try {
    return String((JSON.parse(text) as { readonly message?: unknown }).message);
  } catch {
    return `and ${text.length} characters that are no reason`;
  }
}
