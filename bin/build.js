/**
 * Makes dist/ from the sources: `npm run build`, or `npm run build -- --release` for a package.
 *
 *   main.js, commands/*.js     the CLI, split so that a command loads only what it needs
 *   tick.js                    what cron runs; its heavy parts (Pulumi, SSH) in chunks that an idle tick never opens
 *   sync, machine, systemctl, dns, provider .js    one file each
 *   oclif.manifest.json        what oclif knows of every command without loading it (beside package.json)
 *
 * Everything is bundled, so the package has no dependencies. The same sources give the same bytes, for cells name what
 * they send each other by its hash: no times, no absolute paths, no source maps. A failed build leaves the last dist as
 * it was. `--release` also refuses to leave a program out and writes the licences of what is bundled.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Plugin, settings } from '@oclif/core';
import { SOURCES } from '../src/programs.ts';
import { bundle } from './bundle.js';

const ROOT = dirname(import.meta.dirname);
const MANIFEST = 'oclif.manifest.json';
const LICENCES = 'THIRD-PARTY-LICENSES.txt';
/** Programs whose lazily loaded parts are worth files of their own. */
const SPLIT = ['tick'];

/** The manifest, from the commands as they were built below `outdir`. */
async function manifestOf(outdir) {
  // Else oclif would look for the sources of the commands when NODE_ENV says development or test.
  settings.enableAutoTranspile = false;
  const pjson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  pjson.oclif.commands = `./${outdir}/commands`;
  const plugin = new Plugin({
    root: ROOT,
    type: 'core',
    isRoot: true,
    pjson,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  const commands = Object.keys(plugin.manifest.commands).sort();
  return {
    version: pjson.version,
    commands: Object.fromEntries(
      commands.map((id) => {
        const command = plugin.manifest.commands[id];
        return [id, { ...command, relativePath: ['dist', ...command.relativePath.slice(1)] }];
      }),
    ),
  };
}

/** The licence files of every package that a bundle has a part of. */
function licencesOf(inputs) {
  const folders = new Set(
    inputs.flatMap((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []),
  );
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    const texts = readdirSync(join(ROOT, folder))
      .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
      .sort()
      .map((file) => readFileSync(join(ROOT, folder, file), 'utf8').trim());
    return [`${name} ${version} (${license ?? 'see below'})`, ...texts].join('\n\n');
  });
  return `${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

function report(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
  const kB = (bytes) => `${(bytes / 1000).toFixed(0)} kB`.padStart(9);
  const line = (name, group) =>
    console.log(
      `${name.padEnd(14)}${kB(group.reduce((sum, file) => sum + file.bytes.length, 0))}` +
        `${kB(group.reduce((sum, file) => sum + gzipSync(file.bytes).length, 0))} gzipped  ${group.length} files`,
    );
  for (const file of files.filter(({ name }) => !name.includes('/'))) line(file.name, [file]);
  for (const group of ['commands', 'chunks'])
    line(
      `${group}/`,
      files.filter(({ name }) => name.startsWith(`${group}/`)),
    );
  line('all', files);
}

async function main() {
  const { values } = parseArgs({ options: { release: { type: 'boolean', default: false } } });
  const programs = { ...SOURCES, provider: 'stacks/provider.main.ts' };
  const missing = Object.keys(programs).filter((name) => !existsSync(join(ROOT, programs[name])));
  for (const name of missing) console.error(`build: no dist/${name}.js, for there is no ${programs[name]}`);
  if (values.release && missing.length > 0) throw new Error('a release has every program');

  const outdir = `dist.${process.pid}`;
  try {
    mkdirSync(join(ROOT, outdir, 'commands'), { recursive: true });
    const commands = readdirSync(join(ROOT, 'commands')).filter((file) => file.endsWith('.ts'));
    const cli = commands.map((file) => [`commands/${file.slice(0, -3)}`, `commands/${file}`]);
    const inputs = await bundle(ROOT, Object.fromEntries([['main', 'bin/main.ts'], ...cli]), outdir, {
      splitting: true,
    });
    for (const [name, source] of Object.entries(programs)) {
      if (missing.includes(name)) continue;
      const split = SPLIT.includes(name);
      inputs.push(...(await bundle(ROOT, { [name]: source }, outdir, { splitting: split, core: split })));
    }
    const manifest = await manifestOf(outdir);

    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    renameSync(join(ROOT, outdir), join(ROOT, 'dist'));
    writeFileSync(join(ROOT, MANIFEST), JSON.stringify(manifest));
    // What bin/cell.js kept of the files before.
    rmSync(join(ROOT, '.cache'), { recursive: true, force: true });
    if (values.release) writeFileSync(join(ROOT, LICENCES), licencesOf(inputs));
  } finally {
    rmSync(join(ROOT, outdir), { recursive: true, force: true });
  }
  report(join(ROOT, 'dist'));
}

main().catch((error) => {
  // esbuild has printed its findings already.
  console.error(`build: ${error.errors === undefined ? error.stack : `${error.errors.length} errors`}`);
  process.exitCode = 1;
});
