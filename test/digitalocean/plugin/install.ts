/**
 * Puts a `pulumi-resource-digitalocean` into a folder: the maker's own where it is on PATH, else the one for tests, as one
 * file that runs wherever a Node of ours does.
 */
import { accessSync, chmodSync, constants, copyFileSync, mkdirSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

export const PLUGIN = 'pulumi-resource-digitalocean';
/** One file that is both: the shell's part is a comment to Node. */
const BANNER = `#!/bin/sh
':' //; exec "\${CELL_NODE:-node}" "$0" "$@"`;

/** Pulumi asks for a compiler of TypeScript, to run sources that a bundle has none of. */
const leftOut: Plugin = {
  name: 'left-out',
  setup(on) {
    on.onResolve({ filter: /^(typescript|ts-node)$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    on.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** The maker's own plugin on PATH, or null. */
function makersOwn(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  const files = folders.map((folder) => join(folder, PLUGIN));
  return (
    files.find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }) ?? null
  );
}

/** Says which one it is: `own` or `for tests`. */
export async function installPlugin(folder: string): Promise<'own' | 'for tests'> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, PLUGIN);
  const own = makersOwn();
  if (own !== null) {
    copyFileSync(own, file);
    chmodSync(file, 0o755);
    return 'own';
  }
  await build({
    entryPoints: [join(import.meta.dirname, 'plugin.main.ts')],
    outfile: file,
    ...{ bundle: true, format: 'cjs', platform: 'node', target: 'node22.18', banner: { js: BANNER } },
    ...{ minify: true, legalComments: 'none', logLevel: 'error', plugins: [leftOut] },
  });
  chmodSync(file, 0o755);
  return 'for tests';
}
