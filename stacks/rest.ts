/**
 * A small client for the JSON APIs of providers: one bearer token, bounded patience, and errors that say what to do and
 * never what is secret.
 *
 * What may be asked twice is: GET, PUT and DELETE after a 5xx or a broken connection, anything after a 429, which says
 * that nothing was done. A POST whose answer is lost may have taken effect: its caller looks for what it makes by name.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError, messageOf } from '../src/errors.ts';
import { redact } from './engines/secrets.ts';
import type { Json } from './stack.ts';

/** How long a request may take: APIs answer within seconds, and what takes minutes they do behind an answer. */
const TIMEOUT_MS = 30_000;
/** The first and the further ones. */
const ATTEMPTS = 3;
/** Doubled each time. */
const PAUSE_MS = 500;
/** A provider that asks for more patience is asked again by the next tick. */
const LONGEST_PAUSE_MS = 20_000;

export interface RestOptions {
  /** What people call it: `Linode`. */
  readonly provider: string;
  /** Without a slash at its end: `https://api.linode.com/v4`. */
  readonly base: string;
  readonly token: string;
  readonly timeoutMs?: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Answer {
  readonly status: number;
  /** Null for an answer without a body. */
  readonly body: Json;
  readonly headers: Headers;
}

export interface Rest {
  /**
   * Asks. `also` are statuses beyond 2xx that the caller can use, such as 404. Throws CellError PROVIDER_REFUSED with
   * fields provider, status (0: no answer), method and path.
   */
  ask(method: Method, path: string, body?: Json, also?: readonly number[]): Promise<Answer>;
}

export function rest(options: RestOptions): Rest {
  const { pause = sleep } = options;
  return {
    async ask(method, path, body, also = []) {
      for (let attempt = 1; ; attempt++) {
        const outcome = await once(options, method, path, body);
        const wait = attempt < ATTEMPTS ? patience(outcome, method, attempt) : null;
        if (wait !== null) {
          await pause(wait);
          continue;
        }
        if ('broken' in outcome) throw silent(options, method, path, outcome.broken);
        const { status } = outcome;
        if ((status >= 200 && status < 300) || also.includes(status)) return read(options, method, path, outcome);
        throw refused(options, method, path, outcome);
      }
    },
  };
}

export type Outcome =
  | { readonly status: number; readonly text: string; readonly headers: Headers }
  | { readonly broken: unknown };

async function once({ base, token, timeoutMs }: RestOptions, method: Method, path: string, body?: Json) {
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  try {
    const response = await fetch(`${base}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs ?? TIMEOUT_MS),
      redirect: 'error',
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  } catch (broken) {
    return { broken };
  }
}

/** How long to wait before the same again, or null. */
export function patience(outcome: Outcome, method: Method, attempt: number): number | null {
  const usual = PAUSE_MS * 2 ** (attempt - 1);
  if ('broken' in outcome) return method === 'POST' ? null : usual;
  if (outcome.status === 429) {
    const asked = Number(outcome.headers.get('retry-after') ?? Number.NaN) * 1000;
    const wait = Number.isFinite(asked) && asked >= 0 ? asked : usual;
    return wait <= LONGEST_PAUSE_MS ? wait : null;
  }
  return outcome.status >= 500 && method !== 'POST' ? usual : null;
}

function read(
  options: RestOptions,
  method: Method,
  path: string,
  { status, text, headers }: Extract<Outcome, { status: number }>,
): Answer {
  if (text.trim() === '') return { status, body: null, headers };
  try {
    return { status, body: JSON.parse(text) as Json, headers };
  } catch (cause) {
    throw new CellError('PROVIDER_REFUSED', `${options.provider} answered what is no JSON`, {
      why: `${method} ${bare(path)} gave ${status} and ${text.length} characters of something else`,
      suggestion: 'A proxy may stand between, or the API is in trouble; this is tried again by itself.',
      fields: { provider: options.provider, status, method, path },
      cause,
    });
  }
}

function silent({ provider, token }: RestOptions, method: Method, path: string, broken: unknown): CellError {
  const cause = broken instanceof Error && broken.cause !== undefined ? broken.cause : broken;
  return new CellError('PROVIDER_REFUSED', `${provider} does not answer`, {
    why: redact(`${method} ${bare(path)}: ${messageOf(cause)}`, [token]),
    suggestion: 'Look at its status page and at the network from here; this is tried again by itself.',
    fields: { provider, status: 0, method, path },
  });
}

function refused(
  { provider, token }: RestOptions,
  method: Method,
  path: string,
  { status, text, headers }: Extract<Outcome, { status: number }>,
): CellError {
  const said = redact(reasonIn(text), [token]);
  const fields = { provider, status, method, path };
  if (status === 401) return refusedCredential(provider, said, fields);
  if (status === 403) {
    return new CellError('PROVIDER_REFUSED', `${provider} does not let this credential do ${method} ${bare(path)}`, {
      why: said,
      suggestion: 'Its scopes do not reach so far: `cell doctor` says which it has and which it needs.',
      fields,
    });
  }
  if (status === 429) {
    return new CellError('PROVIDER_REFUSED', `${provider} has had too many requests`, {
      why: `${said.replace(/\.$/, '')} (it asks to wait ${headers.get('retry-after') ?? 'some'} s)`,
      suggestion: 'This is tried again by itself.',
      fields,
    });
  }
  return new CellError('PROVIDER_REFUSED', `${provider} refused ${method} ${bare(path)}`, {
    why: `${status}: ${said}`,
    ...(status >= 500 ? { suggestion: 'It is in trouble itself; this is tried again by itself.' } : {}),
    fields,
  });
}

/** What was asked for, as people read it: pages and filters are none of it. */
const bare = (path: string) => path.split('?')[0] ?? path;

/** What a credential that was revoked or ran out looks like, whichever provider says so. */
export function refusedCredential(
  provider: string,
  said: string,
  fields: Readonly<Record<string, string | number>> = {},
): CellError {
  return new CellError('PROVIDER_REFUSED', `${provider} does not take this credential`, {
    why: `it was revoked, has run out, or never was one (${said})`,
    suggestion: 'A cell gets another from its parent; where there is none, run `cell seed` again with a good one.',
    fields: { provider, status: 401, ...fields },
  });
}

/** Whether a provider no longer takes the credential that was used. */
export function isRefusedCredential(thrown: unknown): boolean {
  return thrown instanceof CellError && thrown.code === 'PROVIDER_REFUSED' && thrown.fields.status === 401;
}

/** What an answer gives as its reason, in the ways that these providers write it; never more than a line. */
function reasonIn(text: string): string {
  try {
    const body = JSON.parse(text) as { readonly message?: unknown; readonly errors?: unknown };
    const list = Array.isArray(body?.errors) ? body.errors : [];
    const reasons = list.map((one: { reason?: unknown; message?: unknown; field?: unknown } | null) => {
      const said = one?.reason ?? one?.message;
      return typeof said !== 'string' ? '' : typeof one?.field === 'string' ? `${one.field}: ${said}` : said;
    });
    const all = [body?.message, ...reasons].filter((said) => typeof said === 'string' && said !== '');
    if (all.length > 0) return all.join('; ').replace(/\s+/g, ' ').slice(0, 300);
  } catch {
    // No JSON: its length says enough, for it may be a page.
  }
  return text.trim() === '' ? 'without a reason' : `${text.length} characters that are no reason`;
}
