/** The CLI of the bundle (dist/main.js): oclif, told where everything is so that it looks for nothing. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execute } from '@oclif/core/execute';
import { settings } from '@oclif/core/settings';
import { understand } from './understand.ts';

// Else oclif would look for the sources of the commands when NODE_ENV says development or test.
settings.enableAutoTranspile = false;

const root = dirname(import.meta.dirname);
const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'));
const { args, problem } = understand(process.argv.slice(2), Object.keys(manifest.commands));
if (args === undefined) {
  console.error(problem);
  process.exitCode = 2;
} else {
  await execute({ args: [...args], dir: root });
}
