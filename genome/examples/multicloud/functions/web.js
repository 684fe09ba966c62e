/** A page that says which cell made it, and in which cells its function lives. */
import { throttleLevel } from './lib/level.js';
import { escaped, serve } from './lib/serve.js';
import { places } from './lib/where.js';

const cell = process.env.CELL_NAME ?? 'nobody';
const name = process.env.PAGE ?? 'web';
let served = 0;

function page() {
  served += 1;
  const cells = places(name).map((place) => `<li>${escaped(place.cell)}</li>`);
  return {
    html: `<!doctype html><html lang="en"><head><title>${escaped(name)}</title></head><body><h1>${escaped(name)} on ${escaped(cell)}</h1><ul>${cells.join('')}</ul></body></html>`,
  };
}

serve({ routes: { 'GET /': page }, metrics: () => ({ served, level: throttleLevel() }) });
