/**
 * Runs a program of this checkout on a machine that may have nothing but an old Node:
 *
 *   node bin/setup.js run FILE [ARGUMENTS…]
 *   node bin/setup.js exec FILE [ARGUMENTS…]    the same without step 2
 *
 *   1 install   `npm ci`, when node_modules does not hold what package-lock.json says
 *   2 build     bin/build.js, when dist was not built from the sources as they are
 *   3 run       FILE on the Node that the `node` package brought, its stdio, signals and exit code passed through
 *
 * Plain JavaScript without dependencies, for it runs before there are any, on Node 16 or later. What it says goes to
 * stderr. Two at once are safe: steps 1 and 2 hold a lock.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './setup-lock.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const BIN = join(MODULES, '.bin');
const INSTALLED = join(MODULES, '.cell-setup');
const BUILDER = join(ROOT, 'bin', 'build.js');
const BUILT = join(MODULES, '.cell-build');
/** The oldest Node that runs the sources: `engines.node` of package.json (types are stripped without a flag). */
const OLDEST = [22, 18];
/** What dist is made from. */
const SOURCES = ['package.json', 'package-lock.json', 'bin', 'commands', 'genome', 'src', 'stacks'];

const say = (text) => process.stderr.write(`${text}\n`);
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : null);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(0)} s`;

function fail(text, code = 1) {
  say(text);
  process.exit(code);
}

/** sha256 (hex) over names and contents of the files at or below the paths. */
function hashOf(paths, extra = '') {
  const hash = createHash('sha256').update(extra);
  const visit = (path) => {
    const full = join(ROOT, path);
    if (!existsSync(full)) return;
    try {
      for (const name of readdirSync(full).sort()) if (name !== 'node_modules') visit(`${path}/${name}`);
    } catch (error) {
      if (error.code !== 'ENOTDIR') throw error;
      const bytes = readFileSync(full);
      hash.update(`${path}\0${bytes.length}\0`).update(bytes);
    }
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}

/** Whether npm's own record of what it installed agrees with the lock file, as after `npm i NAME`. */
function holdsTheLock() {
  const record = read(join(MODULES, '.package-lock.json'));
  if (record === null) return false;
  const have = JSON.parse(record).packages;
  const want = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  return Object.keys(want).every(
    (path) => path === '' || want[path].optional || (have[path] && have[path].integrity === want[path].integrity),
  );
}

function nodeVersion(file) {
  const found = /^v(\d+)\.(\d+)\./.exec(String(spawnSync(file, ['--version']).stdout));
  return found === null ? null : [Number(found[1]), Number(found[2])];
}

const fits = (version) =>
  version !== null && (version[0] > OLDEST[0] || (version[0] === OLDEST[0] && version[1] >= OLDEST[1]));

/** The Node to run everything on, or null. The package's own comes first, so that every machine runs the same one. */
function findNode() {
  const own = join(BIN, process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(own) && fits(nodeVersion(own))) return own;
  return fits(process.versions.node.split('.').map(Number)) ? process.execPath : null;
}

function npmCommand() {
  const running = process.env.npm_execpath;
  if (running && basename(running) === 'npm-cli.js') return [process.execPath, [running]];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm', []];
}

/** 1 */
function install() {
  const stamp = hashOf(['package.json', 'package-lock.json'], `${process.platform} ${process.arch} `);
  if (read(INSTALLED) === stamp) return;
  if (!holdsTheLock() || findNode() === null) {
    const started = Date.now();
    say('setup: installing what package-lock.json lists …');
    const [npm, first] = npmCommand();
    // Warnings are kept back: on an old Node, npm warns of every package that asks for a newer one, and a newer one is
    // among what it brings.
    const flags = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    const run = spawnSync(npm, [...first, ...flags], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (run.error) fail(`setup: npm could not be started: ${run.error.message}\n  Install npm, then run this again.`);
    if (run.status !== 0) {
      const tail = `${run.stdout}${run.stderr}`.trim().split('\n').slice(-30).join('\n  ');
      fail(`setup: npm ci failed (${run.signal || `exit code ${run.status}`})\n  ${tail}`);
    }
    say(`setup: installed in ${seconds(started)}`);
  }
  if (findNode() === null) {
    fail(
      `setup: no Node ${OLDEST.join('.')} or later: this one is ${process.version}, and the \`node\` package brought none.\n` +
        '  Its install script may be switched off (npm config get ignore-scripts). Allow it and run `npm ci`, or install a newer Node.',
    );
  }
  writeFileSync(INSTALLED, stamp);
}

/** 2. `asked`: the arguments of a build that was asked for and so is done in any case, else null. */
function build(node, asked) {
  const stamp = hashOf(SOURCES);
  if (asked === null && read(BUILT) === stamp && existsSync(join(ROOT, 'dist', 'main.js'))) return;
  const started = Date.now();
  if (asked === null) say('setup: building dist …');
  rmSync(BUILT, { force: true });
  const how = { cwd: ROOT, encoding: 'utf8', env: environment(), stdio: asked === null ? 'pipe' : 'inherit' };
  const run = spawnSync(node, [BUILDER, ...(asked || [])], how);
  if (run.status !== 0) fail(`setup: the build failed\n${`${run.stdout || ''}${run.stderr || ''}`.trim()}`);
  writeFileSync(BUILT, stamp);
  if (asked === null) say(`setup: built in ${seconds(started)}`);
}

function environment() {
  const cache = join(MODULES, '.cache', 'compile');
  mkdirSync(cache, { recursive: true });
  return {
    NODE_COMPILE_CACHE: cache,
    ...process.env,
    // Programs started by name (`node`, `tsc`, `#!/usr/bin/env node`) are the package's own too.
    PATH: `${BIN}${delimiter}${process.env.PATH}`,
  };
}

/** 3 */
function run(node, file, args) {
  const child = spawn(node, [resolve(ROOT, file), ...args], { stdio: 'inherit', env: environment() });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => {
      // A terminal sends these two to the whole group: the child has its own already.
      if (process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
      child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`setup: ${node} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}

async function main([verb, file, ...args]) {
  if (!['run', 'exec'].includes(verb) || file === undefined)
    fail('Usage: node bin/setup.js run|exec FILE [ARGUMENTS…]', 2);
  const asked = resolve(ROOT, file) === BUILDER;
  await withLock(join(ROOT, '.setup.lock'), say, () => {
    install();
    if (verb === 'run') build(findNode(), asked ? args : null);
  });
  if (!asked) run(findNode(), file, args);
}

main(process.argv.slice(2)).catch((error) => fail(`setup: ${error.stack}`));
