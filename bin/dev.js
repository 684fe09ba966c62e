#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The CLI from its sources, without a build: `node bin/dev.js COMMAND …`. Needs node_modules and a Node that strips types. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execute, Plugin, settings } from '@oclif/core';
import { understand } from './understand.ts';

// Node reads TypeScript by itself; oclif need not look for a compiler.
settings.enableAutoTranspile = false;

const root = dirname(import.meta.dirname);
const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
pjson.oclif.commands = './commands';
// A manifest beside package.json is of the bundle, and may be older than the sources.
const plugin = new Plugin({
  root,
  isRoot: true,
  type: 'core',
  pjson,
  ignoreManifest: true,
  errorOnManifestCreate: true,
});
await plugin.load();

const { args, problem } = understand(process.argv.slice(2), plugin.commandIDs);
if (args === undefined) {
  console.error(problem);
  process.exitCode = 2;
} else {
  await execute({ args: [...args], loadOptions: { root, pjson, plugins: [plugin] } });
}
