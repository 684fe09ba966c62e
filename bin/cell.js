#!/usr/bin/env node
/**
 * The command `cell`: checks the Node, turns the compile cache on, and loads the one bundle that the call needs. What
 * cells run all day (`divide` from cron, `sync --serve` from sshd, `hand` for a parent) goes straight to its program, without oclif.
 *
 * Written so that any Node that reads ES modules reads this far and can say that it is too old.
 */
const OLDEST = [22, 18];

/**
 * The program that answers this call without oclif, and the arguments it gets, or null.
 * @param {string[]} call
 */
function express(call) {
  const [verb, ...rest] = call;
  const onlyHome =
    rest.length === 0 ||
    (rest.length === 2 && rest[0] === '--home') ||
    (rest.length === 1 && rest[0].startsWith('--home='));
  if (verb === 'divide' && onlyHome) return { program: 'tick', args: rest };
  if (verb === 'hand') return { program: 'tick', args: call };
  if (verb === 'box' && rest[0] === 'serve') return { program: 'box', args: rest };
  if (verb === 'sync' && rest.includes('--serve')) return { program: 'sync', args: rest };
  return null;
}

/**
 * Keeps compiled code in the package's own folder, else (a package that root installed) in the user's cache. Both may
 * be read-only: then it is compiled anew each time.
 */
function keepCompiled(here) {
  const { enableCompileCache, constants } = process.getBuiltinModule('node:module');
  const { FAILED } = constants.compileCacheStatus;
  if (enableCompileCache(`${here}/../.cache`).status !== FAILED) return;
  const { XDG_CACHE_HOME, HOME } = process.env;
  const base = XDG_CACHE_HOME || (HOME ? `${HOME}/.cache` : '');
  if (base !== '') enableCompileCache(`${base}/cell`);
}

async function main() {
  const here = import.meta.dirname;
  keepCompiled(here);
  const lane = express(process.argv.slice(2));
  const program = lane === null ? 'main' : lane.program;
  // As if the program had been started by its own file.
  if (lane !== null) process.argv.splice(1, process.argv.length - 1, `${here}/../dist/${program}.js`, ...lane.args);
  try {
    await import(`../dist/${program}.js`);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || process.getBuiltinModule('node:fs').existsSync(`${here}/../dist`)) {
      throw error;
    }
    console.error('cell is not built: this is a checkout without dist/.');
    console.error('  Run `npm start` (installs, builds and shows the demo), or `npm run build`.');
    process.exitCode = 1;
  }
}

const version = process.versions.node.split('.').map(Number);
if (version[0] < OLDEST[0] || (version[0] === OLDEST[0] && version[1] < OLDEST[1])) {
  console.error(`cell needs Node ${OLDEST.join('.')} or later; this is ${process.versions.node}.`);
  console.error('  Install a newer Node, or in a checkout run `npm start`, which brings one.');
  process.exitCode = 1;
} else {
  void main();
}
