/**
 * The link hooks: `node link.js up` as a neighbour with a database comes, `node link.js down` as it goes.
 * CELL_PEER is the neighbour's name and CELL_PEER_URL where its database answers. Without them the hook takes the
 * databases that where.json knows on other cells, all of them.
 */

import { places } from './lib/where.js';
import { readLinks, writeLinks } from './links.js';

const [direction] = process.argv.slice(2);
const { CELL_PEER: cell, CELL_PEER_URL: url, CELL_FUNCTION: name = 'database' } = process.env;
const others = places(name).filter((place) => !place.own);

function meant() {
  if (!cell) return others.map((place) => ({ cell: place.cell, url: place.url }));
  return [{ cell, url: url ?? others.find((place) => place.cell === cell)?.url ?? null }];
}

if (direction !== 'up' && direction !== 'down') throw new Error('expected `up` or `down`');
const changed = meant();
const kept = readLinks().filter((link) => !changed.some((other) => other.cell === link.cell));
writeLinks(direction === 'up' ? [...kept, ...changed] : cell ? kept : []);
process.exit(0);
