/** Which Debian packages this machine has. */
import { execFile } from 'node:child_process';

/** Of these names, those that are not installed here; where there is no dpkg, none can be told. */
export function notInstalled(names: readonly string[]): Promise<readonly string[]> {
  if (names.length === 0) return Promise.resolve([]);
  // It ends with 1 when a name is not known, and has told of the others all the same.
  return new Promise((resolve) => {
    const args = ['-W', '-f', `\${Package} \${db:Status-Status}\\n`, '--', ...names];
    execFile('dpkg-query', args, (error, stdout) => {
      if (error?.code === 'ENOENT') return resolve([]);
      const there = new Set(
        stdout.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0] ?? ''] : [])),
      );
      resolve(names.filter((name) => !there.has(name)));
    });
  });
}
