/**
 * Sources to programs, so that they start fast: what is most of a tick is the loading of its code. On top of esbuild:
 *
 *   left out    parts of libraries that never run here
 *   built-ins   of Node's own modules only what is used is read (`builtinsByName`)
 *   one core    what a program needs at once is one file, whatever its late parts share of it (`lateOnCore`)
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

/**
 * oclif and Pulumi ask for a TypeScript compiler to run sources, which a bundle has none of; oclif looks for commands and
 * plugins with the next three, where the manifest says what there is (leaving them out saves a third of the time of `cell
 * --help`); ssh2 takes native code where it finds some, and its own JavaScript where that throws.
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
 * Late parts import what the program imports at once. Without it every set of late parts that share something of the core
 * makes a file of its own out of that, and a tick opens a dozen.
 * @param {string[]} late sources that are imported dynamically
 * @param {string[]} core what the program's own source imports
 */
const lateOnCore = (late, core) => ({
  name: 'late-on-core',
  setup(on) {
    on.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (!late.includes(path)) return undefined;
      const lines = core.map((file) => `import ${JSON.stringify(file)};\n`).join('');
      return { contents: `${readFileSync(path, 'utf8')}\n${lines}`, loader: 'ts' };
    });
  },
});

/** The first `localeCompare` of a process costs 6 ms; the ids of commands are in the same order without it. */
const inByteOrder = {
  name: 'in-byte-order',
  setup(on) {
    on.onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/]config[\\/]plugin\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/(\w+\.id)\.localeCompare\((\w+\.id)\)/g, '($1 < $2 ? -1 : 1)'),
    }));
  },
};

/** What CommonJS inside an ES module still asks for. The names are long, for esbuild does not know that they are taken. */
const COMMONJS = [
  "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url),",
  '__filename=import.meta.filename,__dirname=import.meta.dirname;\n',
].join('');

/**
 * `import { request } from 'node:http'` makes Node read every property that the module has, and some of them load half of
 * Node: `http.WebSocket` all of undici (25 ms, as much as an empty Node), `util.diff`, `crypto.webcrypto` … Asked for by
 * name, only what is used is read. Applied to what esbuild wrote, where imports have one form.
 * @param {string} code minified
 */
export function builtinsByName(code) {
  const form = /(?<=^|[;}\n])import(?: ?([\w$]+) ?from|(?: ?([\w$]+),)?\{([\w$, ]*)\}from)"([\w:/]+)";/g;
  return code.replace(form, (whole, alone, first, names, path) => {
    if (!isBuiltin(path)) return whole;
    // A tick that starts no process is 3 ms quicker without this module.
    if (path === 'node:child_process' && names !== undefined && /^spawn(?: as [\w$]+)?$/.test(names)) {
      return `const ${names.split(' as ').at(-1)}=(...a)=>process.getBuiltinModule(${JSON.stringify(path)}).spawn(...a);`;
    }
    const module = `process.getBuiltinModule(${JSON.stringify(path)})`;
    const itself = alone ?? first;
    const bindings = itself === undefined ? [] : [`${itself}=${module}`];
    if (names) bindings.push(`{${names.replaceAll(' as ', ':')}}=${itself ?? module}`);
    return bindings.length === 0 ? `${module};` : `const ${bindings.join(',')};`;
  });
}

/** @param {string} code */
function finished(code) {
  const asked = /\b(?:require|__filename|__dirname)\b/.test(code);
  return `${asked ? COMMONJS : ''}${builtinsByName(code)}`;
}

/**
 * @param {string} root the package's folder
 * @param {Record<string, string>} entries source by name of the output, without ending
 * @param {string} outdir below the root
 * @param {{ splitting: boolean, core?: boolean }} how `core`: the one entry is a program with late parts
 * @returns {Promise<string[]>} the files it was made from
 */
export async function bundle(root, entries, outdir, { splitting, core = false }) {
  const options = {
    absWorkingDir: root,
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
    plugins: [leftOut, inByteOrder],
    metafile: true,
    write: false,
    logLevel: 'warning',
  };
  let { outputFiles, metafile } = await build(options);
  if (core) {
    const { inputs } = metafile;
    const imports = (file, kind) =>
      inputs[file].imports.flatMap((one) => (one.kind === kind && !one.external ? [resolve(root, one.path)] : []));
    const late = Object.keys(inputs).flatMap((file) => imports(file, 'dynamic-import'));
    const own = Object.values(entries).flatMap((file) =>
      imports(relative(root, resolve(root, file)), 'import-statement'),
    );
    ({ outputFiles, metafile } = await build({ ...options, plugins: [leftOut, inByteOrder, lateOnCore(late, own)] }));
  }
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, finished(text));
  }
  return Object.keys(metafile.inputs);
}
