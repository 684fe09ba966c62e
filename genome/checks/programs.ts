/** What a function is made of: a command line or an image, packages, and whether its machines can run that. */
import type { Path } from '../finding.ts';
import type { FunctionGene, Genome } from '../schema.ts';
import type { Report } from './complaint.ts';

/** The one provider whose machines have no users, packages or containers of their own. */
const FOLDERS = 'local';

export function checkPrograms(genome: Genome, report: Report): void {
  const clouds = Object.entries(genome.clouds);
  const folder = clouds.find(([, gene]) => gene.provider === FOLDERS)?.[0];
  for (const [name, gene] of Object.entries(genome.functions)) {
    const at = ['functions', name];
    checkProgram(gene, at, report);
    if (folder === undefined) continue;
    const because = [['clouds', folder, 'provider']];
    if (gene.image !== undefined) {
      const message = `\`${name}\` is a container image, and machines of \`${folder}\` are folders on this computer`;
      report({
        code: 'image-on-folder',
        at: [...at, 'image'],
        message,
        expected: 'run, or clouds of machines',
        because,
      });
    }
    if (gene.packages.length > 0) {
      const message = `machines of \`${folder}\` are folders on this computer: nothing is installed there`;
      const expected = 'these packages on this computer';
      report({
        ...{ severity: 'warning', code: 'packages-on-folder', at: [...at, 'packages'], key: true },
        ...{ message, expected, because },
      });
    }
  }
}

/** A command line, a container image, or an image with a command of its own. */
function checkProgram({ run, image, source }: FunctionGene, at: Path, report: Report): void {
  if (run === undefined && image === undefined) {
    const message = 'nothing says what the function runs';
    report({ code: 'missing-key', at, key: true, message, expected: 'run: ./server --port $PORT, or image' });
  }
  const [, file] = /^(?:docker|oci)-archive:(.*)$/.exec(image ?? '') ?? [];
  if (file === undefined) return;
  const code = 'image-archive';
  if (source === undefined) {
    const message = 'an image that is a file comes with the source, and the function has none';
    report({ code, at: [...at, 'image'], message, expected: 'source: the folder that the file is in' });
  } else if (file === '' || file.startsWith('/') || file.split('/').includes('..')) {
    const message = `the image \`${file}\` is outside of the function's source`;
    report({ code, at: [...at, 'image'], message, expected: 'a file below it, such as docker-archive:image.tar' });
  }
}
