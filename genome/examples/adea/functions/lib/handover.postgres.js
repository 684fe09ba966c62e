/**
 * The hooks around a move of what PostgreSQL holds: `dump` while the program still runs, `restore` at the new home before
 * it starts. CELL_DUMP is the folder between the two.
 */
import { dump, restore } from './postgres.js';

const folder = process.env.CELL_DUMP;
if (!folder) throw new Error('CELL_DUMP is not set');
const hooks = { dump, restore };
const hook = hooks[process.argv[2]];
if (hook === undefined) throw new Error('expected `dump` or `restore`');
await hook(folder);
process.exit(0);
