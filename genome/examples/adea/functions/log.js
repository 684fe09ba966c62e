/**
 * The log: takes lines from the others and answers questions about them. Two files in turn: when the current one is full
 * it becomes the previous one, and the one before that goes; so the log never takes more than twice its size.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { dataFile } from './lib/journal.js';
import { HttpError, serve } from './lib/serve.js';

const MAX_BYTES = Number(process.env.MAX_BYTES ?? 8 * 2 ** 20);
const CURRENT = dataFile('log.jsonl');
const PREVIOUS = dataFile('log.1.jsonl');

mkdirSync(dirname(CURRENT), { recursive: true });
let file = openSync(CURRENT, 'a');
let bytes = statSync(CURRENT).size;
let taken = 0;
// After a crash the last line may be cut short; the next one must not be glued to it.
if (bytes > 0 && !readFileSync(CURRENT, 'utf8').endsWith('\n')) bytes += writeSync(file, '\n');

function keep(lines) {
  if (bytes > MAX_BYTES) {
    closeSync(file);
    renameSync(CURRENT, PREVIOUS);
    file = openSync(CURRENT, 'a');
    bytes = 0;
  }
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  bytes += writeSync(file, text);
  // Lines come in batches, so a flush each is cheap enough.
  fsyncSync(file);
  taken += lines.length;
}

function* stored() {
  for (const path of [PREVIOUS, CURRENT]) {
    if (!existsSync(path)) continue;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      try {
        if (line !== '') yield JSON.parse(line);
      } catch {
        // A line that a crash cut short.
      }
    }
  }
}

async function take({ json }) {
  const { lines } = await json();
  if (!Array.isArray(lines)) throw new HttpError(400, 'expected { lines: [{ at, level, … }] }');
  keep(lines.map((line) => ({ at: Date.now(), level: 'info', ...line })));
  return { status: 201, json: { taken: lines.length } };
}

/** The newest lines that match: `level`, `since` (ms since the epoch), `q` (any text), `limit`. */
function read({ query }) {
  const since = Number(query.get('since') ?? 0);
  const level = query.get('level');
  const text = query.get('q');
  const limit = Math.min(Number(query.get('limit') ?? 100) || 100, 1_000);
  const lines = stored().filter(
    (line) =>
      line.at >= since &&
      (level === null || line.level === level) &&
      (text === null || JSON.stringify(line).includes(text)),
  );
  return { json: { lines: [...lines].slice(-limit) } };
}

serve({
  routes: { 'POST /lines': take, 'GET /lines': read },
  metrics: () => ({ taken, bytes }),
  close: async () => closeSync(file),
});
