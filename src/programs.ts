/**
 * The programs beside the CLI that run as processes of their own, found from source and from the bundle alike.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

export type Program = 'tick' | 'sync' | 'machine' | 'systemctl' | 'dns' | 'box';

/** Also what bin/build.js makes `dist/NAME.js` from. */
export const SOURCES: Readonly<Record<Program, string>> = {
  tick: 'src/tick.main.ts',
  sync: 'src/memory/sync.main.ts',
  machine: 'src/local/machine.main.ts',
  systemctl: 'src/local/systemctl.main.ts',
  dns: 'src/local/dns.main.ts',
  box: 'src/box/serve.main.ts',
};

/** The package's folder: the nearest one above this file whose package.json is ours. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'cell') return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json of cell above ${import.meta.dirname}`);
  }
}

/** The file to give to Node. Bundled, each is one self-contained file `dist/NAME.js`. */
export function programFile(program: Program): string {
  const root = packageRoot();
  const bundled =
    import.meta.dirname.startsWith(join(root, 'dist') + sep) || import.meta.dirname === join(root, 'dist');
  return bundled ? join(root, 'dist', `${program}.js`) : join(root, SOURCES[program]);
}
