/** The throttle level: left by the hook in a file beside the program, read by the program. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = join(process.env.CELL_DATA ?? '.', 'throttle-level');
/** How often (ms) at most the file is looked at. */
const LOOK_EVERY = 50;

let seen = { at: 0, level: 0 };

/** 0 (none) to 100. */
export function throttleLevel() {
  if (Date.now() - seen.at < LOOK_EVERY) return seen.level;
  let level = 0;
  try {
    level = Number(readFileSync(FILE, 'utf8'));
  } catch {
    // No file: the hook has never run.
  }
  seen = { at: Date.now(), level };
  return level;
}

export function setThrottleLevel(level) {
  if (!(level >= 0 && level <= 100)) throw new RangeError(`a level is 0 to 100, not ${level}`);
  writeFileSync(`${FILE}.new`, String(level));
  renameSync(`${FILE}.new`, FILE);
}
