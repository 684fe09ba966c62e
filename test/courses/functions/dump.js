/** Writes what was served to $CELL_DUMP, in two halves. Fails where the program does not answer, and while $SICK.dump is there. */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const { HOST, PORT, SICK, CELL_DUMP } = process.env;
const fail = (why) => {
  console.error(why);
  process.exit(1);
};

if (existsSync(`${SICK}.dump`)) fail('the disk of the dump is full');
await fetch(`http://${HOST}:${PORT}/health`);
if (readdirSync(CELL_DUMP).length > 0) fail('the folder is not empty');
const lines = (existsSync('data/served') ? readFileSync('data/served', 'utf8') : '').split(/(?<=\n)/);
const half = Math.ceil(lines.length / 2);
appendFileSync(join(CELL_DUMP, 'served'), lines.slice(0, half).join(''));
await new Promise((resolve) => setTimeout(resolve, 50));
appendFileSync(join(CELL_DUMP, 'served'), lines.slice(half).join(''));
appendFileSync(join(CELL_DUMP, 'whole'), '');
