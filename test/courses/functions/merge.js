/** Takes in the lines of a replica's data ($CELL_FROM) or dump ($CELL_DUMP) that are not here yet. Again adds none. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const lines = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []);
const here = new Set(lines('data/served'));
const { CELL_FROM, CELL_DUMP } = process.env;
const theirs = [join(CELL_FROM, 'data/served'), join(CELL_DUMP, 'served')].flatMap(lines);
const missing = theirs.filter((line) => !here.has(line));
if (missing.length > 0) appendFileSync('data/served', `${missing.join('\n')}\n`);
