/** The neighbours that a database replicates from: written by the link hooks, read by the database. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Not among the function's data: a copy on another cell has neighbours of its own. */
const FILE = join(process.env.CELL_DATA ?? '.', 'links.json');

/** [{ cell, url }] */
export function readLinks() {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'));
  } catch {
    return [];
  }
}

export function writeLinks(links) {
  writeFileSync(`${FILE}.new`, JSON.stringify(links));
  renameSync(`${FILE}.new`, FILE);
}
