/** Takes in the lines of a replica's data ($CELL_FROM) that are not here yet. Doing it again adds none. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const lines = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []);
const here = new Set(lines('data/served'));
const missing = lines(join(process.env.CELL_FROM, 'data/served')).filter((line) => !here.has(line));
if (missing.length > 0) appendFileSync('data/served', `${missing.join('\n')}\n`);
