/**
 * Where the other functions are, and how to call them.
 *
 * The cell keeps $CELL_WHERE up to date: for each function the places that perform it, best first. A place's `url` is its
 * cell's ingress, which stays while the program behind it moves; a function with a domain is called with that Host.
 *
 * The same file lies in each example, so that an example can be copied as one folder; a test keeps the copies alike.
 */
import { readFileSync, statSync } from 'node:fs';
import { Agent, request } from 'node:http';

/** How often (ms) at most the file is looked at. */
const LOOK_EVERY = 200;
/** How long (ms) one call may take. The ingress holds calls to a function that is moving for up to 10 s. */
const PATIENCE = 12_000;

const agent = new Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 8 });
const known = { looked: 0, stamp: '', content: { functions: {} } };

/** What $CELL_WHERE says now; what it said last, when it cannot be read. */
export function where() {
  const now = Date.now();
  if (now - known.looked < LOOK_EVERY) return known.content;
  known.looked = now;
  try {
    const { mtimeMs, size, ino } = statSync(process.env.CELL_WHERE);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (stamp !== known.stamp) {
      known.content = JSON.parse(readFileSync(process.env.CELL_WHERE, 'utf8'));
      known.stamp = stamp;
    }
  } catch {
    // Not written yet, or not readable for a moment: the last one stays good.
  }
  return known.content;
}

/** The places that perform a function: the healthy ones first, otherwise in the cell's order. */
export function places(name) {
  const all = where().functions?.[name] ?? [];
  return [...all.filter((place) => place.healthy), ...all.filter((place) => !place.healthy)];
}

/** The address of a place for people: with its domain, when it has one. */
export function link(place) {
  const url = new URL(place.url);
  if (place.domain) url.hostname = place.domain;
  return url.href;
}

/**
 * One call to one place. Gives { status, text, json, headers }; throws when no answer came.
 * A call on a kept connection that was closed at that moment is made again: everything here may be said twice.
 */
export function call(
  place,
  { method = 'GET', path = '/', json, body, headers = {}, timeout = PATIENCE } = {},
  again = true,
) {
  const content = json === undefined ? body : JSON.stringify(json);
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, place.url), {
      method,
      agent,
      signal: AbortSignal.timeout(timeout),
      headers: {
        ...headers,
        ...(place.domain && { host: place.domain }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(content !== undefined && { 'content-length': Buffer.byteLength(content) }),
      },
    });
    outgoing.once('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode, text, headers: response.headers, json: parsed(response, text) });
      });
    });
    outgoing.once('error', (error) => {
      const stale = again && outgoing.reusedSocket && error.code === 'ECONNRESET';
      if (stale) resolve(call(place, { method, path, json, body, headers, timeout }, false));
      else reject(error);
    });
    outgoing.end(content);
  });
}

function parsed(response, text) {
  if (!(response.headers['content-type'] ?? '').startsWith('application/json')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The first answer that the places of a function give: the next is asked when one is away (no answer, 502, 503). */
export async function ask(name, options) {
  let last = new Error(`no ${name} is known here`);
  for (const place of places(name)) {
    try {
      const answer = await call(place, options);
      if (answer.status !== 502 && answer.status !== 503) return answer;
      last = new Error(`${name} on ${place.cell} answers ${answer.status}`);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
