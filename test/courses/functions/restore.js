/** Puts back what dump.js wrote, in place of what is here. Fails where the program runs, and while $SICK.restore is there. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const { HOST, PORT, SICK, CELL_DUMP } = process.env;
const fail = (why) => {
  console.error(why);
  process.exit(1);
};

if (existsSync(`${SICK}.restore`)) fail('relation "pages" already exists');
if (!existsSync(join(CELL_DUMP, 'whole'))) fail('the dump is not whole');
const runs = await fetch(`http://${HOST}:${PORT}/health`).then(
  () => true,
  () => false,
);
if (runs) fail('the program runs');
mkdirSync('data', { recursive: true });
copyFileSync(join(CELL_DUMP, 'served'), 'data/served');
