/**
 * One web function: a page that says which cell made it. Under a throttle it lets browsers keep the page for longer, so
 * that they ask less often.
 */
import { throttleLevel } from './lib/level.js';
import { escaped, serve } from './lib/serve.js';
import { places, where } from './lib/where.js';

/** How long (s) a page may be kept at level 100. */
const LONGEST_AGE = 60;

let served = 0;
const maxAge = () => Math.round((throttleLevel() / 100) * LONGEST_AGE);
const cell = process.env.CELL_NAME ?? 'nobody';

function page() {
  served += 1;
  const cells = places('web').map((place) => `<li>${escaped(place.cell)}${place.healthy ? '' : ' (not healthy)'}</li>`);
  return {
    headers: { 'cache-control': `max-age=${maxAge()}` },
    html: `<!doctype html><html lang="en"><head><title>${escaped(where().organism ?? 'small')}</title></head><body><h1>Hello from ${escaped(cell)}</h1><p>Pages served since it started: ${served}.</p><p>This web runs on:</p><ul>${cells.join('')}</ul></body></html>`,
  };
}

serve({
  routes: {
    'GET /': page,
    'GET /hello': () => ({ json: { cell, served: ++served, maxAge: maxAge() } }),
  },
  metrics: () => ({ served, level: throttleLevel(), maxAge: maxAge() }),
});
