/**
 * The program behind bin/pulumi-resource-cell: the server that the Pulumi CLI starts for resources of package `cell`.
 *
 * Environment, set by the Pulumi engine: CELL_CREDENTIALS (JSON, by provider name; never in a checkpoint),
 * CELL_HANDLERS (a module with `handlers` in place of our own), CELL_PLUGIN_PIDS (a folder for a file that says this
 * process runs), CELL_DIFFS (a file for the keys that differ).
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as server from '@pulumi/pulumi/provider/index.js';
import { packageRoot } from '../src/programs.ts';
import { startOf } from './engines/lock.ts';
import { registryOf } from './handlers.ts';
import { CellProvider } from './provider.ts';
import type { Json } from './stack.ts';

const { CELL_CREDENTIALS = '{}', CELL_HANDLERS, CELL_PLUGIN_PIDS, CELL_DIFFS } = process.env;

/** A CLI that was killed cannot tell its plugins. How often to look whether it is still there, ms. */
const PARENT_CHECK_MS = 100;

const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, PARENT_CHECK_MS).unref();

if (CELL_PLUGIN_PIDS !== undefined) {
  const file = join(CELL_PLUGIN_PIDS, String(process.pid));
  mkdirSync(CELL_PLUGIN_PIDS, { recursive: true });
  writeFileSync(file, startOf(process.pid) ?? '');
  process.on('exit', () => rmSync(file, { force: true }));
}

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
const credentials = JSON.parse(CELL_CREDENTIALS) as Readonly<Record<string, Json>>;
const registry = await registryOf(CELL_HANDLERS);
await server.main(new CellProvider({ version, registry, credentials, diffs: CELL_DIFFS }), process.argv.slice(2));
