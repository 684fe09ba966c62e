/**
 * Cloudflare's own library, for records and for credentials, asked with bounded patience (../rest.ts), and only believed where it answers as its documents
 * say: every answer is an envelope of `success`, `errors` and `result`. What it refuses is a CellError that never holds the
 * token.
 *
 * What may have taken effect although nobody answered has `fields.unclear`; whoever asked looks at what is there now.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError, messageOf } from '../../src/errors.ts';
import { redact } from '../engines/secrets.ts';
import { patience, refusedCredential } from '../rest.ts';
import type { Json } from '../stack.ts';

const USUAL = 'https://api.cloudflare.com/client/v4';
/** How long a request may take, with its answer. */
const TIMEOUT_MS = 30_000;
/** The first and the further ones. */
const ATTEMPTS = 3;

export interface CloudflareCredential {
  readonly token: string;
  /** Where the API is, when not at its usual place. */
  readonly endpoint?: string;
  readonly zone: string;
  readonly zoneId: string;
}

export interface ApiOptions {
  readonly timeoutMs?: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

export type Api = Awaited<ReturnType<typeof openApi>>;

type Access = Pick<CloudflareCredential, 'token' | 'endpoint'>;

/** The library with what we use of it: the rest would be megabytes. */
export async function openApi(access: Access, options: ApiOptions = {}) {
  const [{ createClient }, { BaseRecords }, { BaseZones }] = await Promise.all([
    import('cloudflare/tree-shakable'),
    import('cloudflare/resources/dns/records'),
    import('cloudflare/resources/zones/zones'),
  ]);
  return createClient({ resources: [BaseRecords, BaseZones], ...settingsOf(access, options) });
}

/** As `openApi`, for tokens. */
export async function openTokens(access: Access, options: ApiOptions = {}) {
  const [{ createClient }, { Tokens }, { BaseZones }] = await Promise.all([
    import('cloudflare/tree-shakable'),
    import('cloudflare/resources/user/tokens/tokens'),
    import('cloudflare/resources/zones/zones'),
  ]);
  return createClient({ resources: [Tokens, BaseZones], ...settingsOf(access, options) });
}

function settingsOf({ token, endpoint = USUAL }: Access, options: ApiOptions) {
  return {
    baseURL: endpoint,
    apiToken: token,
    // Else it would take what this computer's environment happens to hold.
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    // Patience is ours: the library's own waits for a minute where a tick cannot.
    maxRetries: 0,
    fetch: patientFetch(options),
    logLevel: 'off',
  } as const;
}

/** Nobody answered, or with what is no answer. */
class Unanswered extends Error {
  /** Whether what was asked for may have been done. */
  readonly unclear: boolean;

  constructor(why: string, unclear: boolean) {
    super(why);
    this.name = 'Unanswered';
    this.unclear = unclear;
  }
}

/** Gives only answers that were read whole and are what Cloudflare's documents say. Throws Unanswered. */
function patientFetch({ timeoutMs = TIMEOUT_MS, pause = sleep }: ApiOptions): typeof fetch {
  return async (url, init) => {
    const method = (init?.method ?? 'GET') as 'GET';
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(url, init, timeoutMs);
      const wait = attempt < ATTEMPTS ? patience(outcome, method, attempt) : null;
      if (wait === null) return believable(method, outcome, timeoutMs);
      await pause(wait);
    }
  };
}

type Outcome = Parameters<typeof patience>[0];

async function once(
  url: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
  timeoutMs: number,
): Promise<Outcome> {
  try {
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = init?.signal ? AbortSignal.any([init.signal, limit]) : limit;
    const response = await fetch(url, { ...init, signal, redirect: 'error' });
    return { status: response.status, text: await response.text(), headers: response.headers };
  } catch (broken) {
    return { broken };
  }
}

function believable(method: string, outcome: Outcome, timeoutMs: number): Response {
  const unclear = method !== 'GET';
  if ('broken' in outcome) {
    const { broken } = outcome;
    const cause = broken instanceof Error && broken.cause !== undefined ? broken.cause : broken;
    const late = (broken as Error | null)?.name === 'TimeoutError';
    throw new Unanswered(late ? `nothing came within ${timeoutMs} ms` : messageOf(cause), unclear);
  }
  const { status, text } = outcome;
  const envelope = envelopeIn(text);
  const headers = { 'content-type': 'application/json', 'retry-after': outcome.headers.get('retry-after') ?? '' };
  const good = status >= 200 && status < 300;
  if (good && (envelope === null || (envelope.success && !Object.hasOwn(envelope, 'result')))) {
    throw new Unanswered(`${status} came with ${text.length} characters of something else`, unclear);
  }
  // The library goes by the status alone.
  if (good) return new Response(text, { status: envelope?.success ? status : 400, headers });
  const body = envelope === null ? JSON.stringify({ errors: [] }) : text;
  return new Response(body, { status, headers });
}

function envelopeIn(text: string): { readonly success: boolean } | null {
  try {
    const body = JSON.parse(text) as { readonly success?: unknown } | null;
    return typeof body?.success === 'boolean' ? (body as { success: boolean }) : null;
  } catch {
    return null;
  }
}

interface Refusal {
  readonly status?: number;
  readonly headers?: Headers;
  readonly errors?: readonly { readonly code?: unknown; readonly message?: unknown }[];
  readonly cause?: unknown;
}

/** Cloudflare's codes for what a zone's records are now, which a second look tells more of. */
const STALE = {
  81044: 'the record is gone',
  81053: 'an address or an alias is there',
  81054: 'an alias is there',
  81055: 'an address or an alias is there',
  81057: 'the record is there',
  81058: 'an identical record is there',
} as const;

/** Whether a refusal says that the records are not as they were read. */
export function isStale(thrown: unknown): boolean {
  return thrown instanceof CellError && Object.hasOwn(STALE, Number(thrown.fields.code));
}

/** Whether what was thrown leaves open if a change took effect. */
export function isUnclear(thrown: unknown): boolean {
  return thrown instanceof CellError && thrown.fields.unclear === true;
}

/** Does what asks Cloudflare. What its library throws becomes CellError PROVIDER_REFUSED. */
export async function asking<T>(token: string, changes: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof CellError ? thrown : refusal(thrown as Refusal, token, changes);
  }
}

function refusal(thrown: Refusal, token: string, changes: boolean): CellError {
  const { status, headers, errors = [], cause } = thrown;
  const list = Array.isArray(errors) ? errors : [];
  const [first] = list;
  const code = typeof first?.code === 'number' ? first.code : 0;
  const said = list.map((one) => `${one?.message ?? 'no reason'} (${one?.code ?? 'no code'})`).join('; ');
  const why = redact(said, [token]).replace(/\s+/g, ' ').slice(0, 300);
  const fields = { provider: 'Cloudflare', status: status ?? 0, code };
  const say = (message: string, reason: string, suggestion: string, more: Record<string, Json> = {}) =>
    new CellError('PROVIDER_REFUSED', message, {
      why: reason,
      suggestion,
      fields: { ...fields, ...(more as Record<string, boolean>) },
    });
  const again = 'Look at its status page and at the network from here; this is tried again by itself.';
  if (cause instanceof Unanswered) {
    return say('Cloudflare does not answer', redact(cause.message, [token]), again, { unclear: cause.unclear });
  }
  if (status === undefined) return say('Cloudflare does not answer', redact(messageOf(thrown), [token]), again);
  if (status === 401 || code === 1000 || /invalid (?:access|api) token|expired/i.test(said)) {
    return refusedCredential('Cloudflare', why || 'without a reason', { code });
  }
  if (status === 403 || code === 10000) {
    return say(
      'Cloudflare does not let this token do that',
      why || 'without a reason',
      'It does not reach so far, or it is used from another address: `cell doctor` says what it needs.',
    );
  }
  if (status === 429) {
    const after = headers?.get('retry-after') || 'some';
    const wait = `${why || 'without a reason'}; it asks to wait ${after} seconds`;
    return say('Cloudflare has had too many requests', wait, 'This is tried again by itself.');
  }
  if (code === 7003 || code === 1001) {
    return say(
      'Cloudflare has no zone of this id',
      why,
      'Correct `zoneId`, or leave it out: the zone is found by its name.',
    );
  }
  if (status >= 500) {
    const reason = `${status}${why === '' ? '' : `: ${why}`}`;
    return say('Cloudflare is in trouble itself', reason, again, { unclear: changes });
  }
  return say('Cloudflare refused', `${status}: ${why || 'without a reason'}`, 'Look at the zone in its dashboard.');
}
