/**
 * The load balancer: passes each request to the UI with the fewest requests in flight, to the next when one is away, and
 * keeps a line about each for the log.
 */
import { HttpError, serve } from './lib/serve.js';
import { call, places } from './lib/where.js';
import { sendLines } from './lines.js';

const busy = new Map();
const lines = sendLines();

const load = (place) => busy.get(place.cell) ?? 0;

/** Healthy UIs with the least to do first; the others only when nothing else is left. */
function candidates() {
  return places('ui').sort((a, b) => Number(b.healthy) - Number(a.healthy) || load(a) - load(b));
}

async function passOn(place, options) {
  busy.set(place.cell, load(place) + 1);
  try {
    return await call(place, options);
  } finally {
    busy.set(place.cell, load(place) - 1);
  }
}

async function balance({ request, url, text }) {
  const began = Date.now();
  const { method } = request;
  const body = method === 'GET' || method === 'HEAD' ? undefined : await text();
  const type = request.headers['content-type'];
  const headers = { ...(type && { 'content-type': type }), 'x-forwarded-host': request.headers.host ?? '' };
  let status = 503;
  let cell = null;
  try {
    for (const place of candidates()) {
      try {
        const answer = await passOn(place, { method, path: url.pathname + url.search, body, headers });
        if (answer.status === 502 || answer.status === 503) continue;
        status = answer.status;
        cell = place.cell;
        const { 'content-type': contentType, location } = answer.headers;
        return {
          status,
          body: answer.text,
          headers: {
            'x-ui-cell': cell,
            ...(contentType && { 'content-type': contentType }),
            ...(location && { location }),
          },
        };
      } catch {
        // The next one.
      }
    }
    throw new HttpError(503, 'no UI answers at the moment');
  } finally {
    lines.add({
      at: began,
      level: status < 500 ? 'info' : 'error',
      method,
      path: url.pathname,
      status,
      ms: Date.now() - began,
      cell,
    });
  }
}

serve({
  routes: { '*': balance },
  metrics: () => ({ uis: places('ui').length, ...lines.figures() }),
  close: () => lines.close(),
});
