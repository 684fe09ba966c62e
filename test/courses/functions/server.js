/**
 * A function for drills: each answer adds a line to its data, so that what was served can be counted in the end.
 *
 * ALONE_AT   an address and port that only one of it in the whole organism can listen on; TRACE says when two tried
 * SICK       a file with the name of the only cell on which it is well; while there is none, it is well everywhere
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { HOST, PORT, CELL_NAME, CELL_FUNCTION, ALONE_AT, TRACE, SICK } = process.env;
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

process.on('SIGTERM', () => process.exit(0));
