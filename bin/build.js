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
import { build } from 'esbuild';
import { SOURCES } from '../src/programs.ts';

const ROOT = dirname(import.meta.dirname);
const MANIFEST = 'oclif.manifest.json';
const LICENCES = 'THIRD-PARTY-LICENSES.txt';
/** Programs whose lazily loaded parts are worth files of their own. */
const SPLIT = ['tick'];

/** What CommonJS inside an ES module still asks for. The names are long, for esbuild does not know that they are taken. */
const BANNER = [
  "import{createRequire as __cellCreateRequire}from'node:module';",
  'const require=__cellCreateRequire(import.meta.url),__filename=import.meta.filename,__dirname=import.meta.dirname;',
].join('');

/**
 * Parts of libraries that never run here. oclif and Pulumi ask for a TypeScript compiler to run sources, which a bundle
 * has none of; oclif looks for commands and plugins with the next three, where the manifest says what there is (leaving
 * them out saves a third of the time of `cell --help`); ssh2 takes native code where it finds some, and its own
 * JavaScript where that throws.
 */
const leftOut = {
  name: 'left-out',
  setup(on) {
    on.onResolve({ filter: /^(typescript|ts-node)$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    on.onResolve({ filter: /^(tinyglobby|minimatch|lilconfig)$/ }, ({ path, importer }) =>
      /[\\/]@oclif[\\/]core[\\/]/.test(importer) ? { path, namespace: 'empty' } : undefined,
    );
    on.onResolve({ filter: /^cpu-features$|\.node$/ }, ({ path }) => ({ path, namespace: 'throws' }));
    on.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
    on.onLoad({ filter: /.*/, namespace: 'throws' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not part of the bundle`)});`,
    }));
  },
};

/**
 * `import … from 'node:http'` makes Node read every property that the module has, and reading `http.WebSocket` loads the
 * whole of undici: 25 ms, as much as an empty Node. Asked for as an object, only what is used is read.
 */
const builtinsAsTheyAre = {
  name: 'builtins-as-they-are',
  setup(on) {
    on.onResolve({ filter: /^(node:)?https?$/ }, ({ path }) => ({ path, namespace: 'builtin' }));
    on.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * A CommonJS package that is imported where it is needed has, in a split bundle, nothing but a default: what its names are
 * is not known before it runs. Node knows them, so they are asked for here, and written down.
 */
const namesAsNodeHasThem = {
  name: 'names-as-node-has-them',
  setup(on) {
    on.onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir }) => {
      if (kind !== 'dynamic-import' || path.startsWith('node:') || /[\\/]node_modules[\\/]/.test(resolveDir))
        return undefined;
      const { 'module.exports': isCommonJs, default: _, ...names } = await import(path);
      return isCommonJs === undefined ? undefined : { path, namespace: 'named', pluginData: { resolveDir, names } };
    });
    on.onLoad({ filter: /.*/, namespace: 'named' }, ({ path, pluginData: { resolveDir, names } }) => {
      const valid = Object.keys(names).filter((name) => /^[\w$]+$/.test(name));
      return { contents: `export { ${valid.join(', ')} } from ${JSON.stringify(path)};`, resolveDir };
    });
  },
};

/** @param {Record<string, string>} entries source by name of the output, without ending */
async function bundle(entries, outdir, splitting) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(entries).map(([out, source]) => ({ in: source, out })),
    outdir,
    bundle: true,
    splitting,
    chunkNames: 'chunks/[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    minify: true,
    legalComments: 'none',
    banner: { js: BANNER },
    plugins: [leftOut, builtinsAsTheyAre, namesAsNodeHasThem],
    metafile: true,
    logLevel: 'warning',
  });
  return Object.keys(metafile.inputs);
}

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
    const texts = readdirSync(join(ROOT, folder), { withFileTypes: true })
      .filter(({ name: file }) => /^(licen[cs]e|notice|copying)/i.test(file))
      // Some have a folder of them.
      .flatMap((entry) =>
        entry.isFile()
          ? [entry.name]
          : readdirSync(join(ROOT, folder, entry.name)).map((file) => join(entry.name, file)),
      )
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
    const commands = readdirSync(join(ROOT, 'commands'), { recursive: true }).filter((file) => file.endsWith('.ts'));
    const cli = commands.map((file) => [`commands/${file.slice(0, -3)}`, `commands/${file}`]);
    const inputs = await bundle(Object.fromEntries([['main', 'bin/main.ts'], ...cli]), outdir, true);
    for (const [name, source] of Object.entries(programs)) {
      if (!missing.includes(name)) inputs.push(...(await bundle({ [name]: source }, outdir, SPLIT.includes(name))));
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
