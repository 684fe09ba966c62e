/**
 * A function for drills: each answer adds a line to its data, so that what was served can be counted in the end.
 *
 * ALONE_AT   an address and port that only one of it in the whole organism can listen on; TRACE says when two tried
 * SICK       a file with the name of the only cell on which it is well; while there is none, it is well everywhere
 * CHURN      MiB of data that it makes if there is none, and goes on changing in places where it made them
 */

import { randomBytes, randomInt } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { HOST, PORT, CELL_NAME, CELL_FUNCTION, ALONE_AT, TRACE, SICK, CHURN = '0' } = process.env;
const life = `${CELL_NAME}-${process.pid}-${Date.now()}`;
let served = 0;

const well = () => !SICK || !existsSync(SICK) || readFileSync(SICK, 'utf8') === CELL_NAME;

mkdirSync('data', { recursive: true });
if (ALONE_AT) {
  const [host, port] = ALONE_AT.split(':');
  const alone = createServer();
  alone.on('error', (error) => appendFileSync(TRACE, `${CELL_FUNCTION} on ${CELL_NAME}: ${error.code}\n`));
  alone.listen({ host, port: Number(port), exclusive: true });
}

createServer((request, response) => {
  if (request.url === '/health') return response.writeHead(well() ? 200 : 503).end();
  served += 1;
  appendFileSync('data/served', `${life}-${served}\n`);
  response.end(`${CELL_FUNCTION} on ${CELL_NAME}\n`);
}).listen(Number(PORT), HOST);

const FILE_MIB = 8;
const files = Math.ceil(Number(CHURN) / FILE_MIB);
if (files > 0 && !existsSync('data/blocks')) {
  mkdirSync('data/making');
  for (let file = 0; file < files; file++) await writeFile(`data/making/${file}`, randomBytes(FILE_MIB << 20));
  renameSync('data/making', 'data/blocks');
  // Some 2 MiB a second, in a few files at a time, as a database does.
  setInterval(() => {
    const file = openSync(`data/blocks/${randomInt(Math.min(files, 8))}`, 'r+');
    for (let block = 0; block < 32; block++)
      writeSync(file, randomBytes(8192), 0, 8192, randomInt(FILE_MIB * 128) * 8192);
    closeSync(file);
  }, 125);
}

process.on('SIGTERM', () => process.exit(0));
