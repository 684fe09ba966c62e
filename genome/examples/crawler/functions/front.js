/**
 * The front server: what people and crawlers see first. It lists the APIs that the checker found healthy (and so sends
 * clients to a new one as soon as it answers), passes searches on to them in turn, and serves the site to be crawled.
 */

import { escaped, HttpError, serve } from './lib/serve.js';
import { ask, call, link, places } from './lib/where.js';
import { sitePage } from './site.js';

const PAGES = Number(process.env.SITE_PAGES ?? 240);
/** How old (ms) the checker's report may be before it is asked again. */
const FRESH = 500;

let report = { at: 0, asking: null, apis: [] };
let turn = 0;

/** The APIs to use now: those that are known and not reported as unhealthy by the checker. */
async function apis() {
  if (Date.now() - report.at > FRESH) {
    report.asking ??= refresh().finally(() => {
      report.asking = null;
    });
    await report.asking;
  }
  return report.apis;
}

async function refresh() {
  const found = places('api');
  let healthy;
  try {
    const { json } = await ask('checker', { path: '/report', timeout: 1_000 });
    const good = new Set(json.apis.filter((api) => api.healthy).map((api) => api.cell));
    healthy = found.filter((place) => good.has(place.cell));
  } catch {
    // Without a checker the cells' own word has to do.
    healthy = found.filter((place) => place.healthy);
  }
  report = { ...report, at: Date.now(), apis: healthy };
}

/** Asks the listed APIs in turn; one that is away is passed over. */
async function passOn(path) {
  const listed = await apis();
  for (let tried = 0; tried < listed.length; tried += 1) {
    turn = (turn + 1) % listed.length;
    const place = listed[turn];
    try {
      const answer = await call(place, { path });
      if (answer.status >= 500) continue;
      return { status: answer.status, json: answer.json, headers: { 'x-api-cell': place.cell } };
    } catch {
      // The next one.
    }
  }
  throw new HttpError(503, 'no API answers at the moment');
}

serve({
  routes: {
    'GET /': async () => {
      const rows = (await apis()).map((api) => `<li><a href="${escaped(link(api))}">${escaped(api.cell)}</a></li>`);
      return {
        html: `<!doctype html><html lang="en"><head><title>Crawler</title></head><body><h1>Search what was crawled</h1><form action="/search"><input name="q"><button>Search</button></form><h2>APIs</h2><ul>${rows.join('')}</ul></body></html>`,
      };
    },
    'GET /apis': async () => ({
      json: { apis: (await apis()).map(({ cell, url, domain }) => ({ cell, url, domain: domain ?? null })) },
    }),
    'GET /search': ({ url }) => passOn(`/search${url.search}`),
    'GET /site/page/:id': ({ id }) => {
      const html = sitePage(Number(id), PAGES, Date.now());
      if (html === null) throw new HttpError(404, `the site has no page ${id}`);
      return { html };
    },
  },
  metrics: () => ({ apis: report.apis.length }),
});
