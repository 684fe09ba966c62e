/** Where children are made: clouds that there are, and regions enough for what is asked. */
import { computeProvider } from '../../stacks/machines/index.ts';
import type { Genome } from '../schema.ts';
import { nearest } from '../suggest.ts';
import type { Report } from './complaint.ts';

export function checkPlacement(genome: Genome, report: Report): void {
  const clouds = Object.keys(genome.clouds);
  const { prefer, spread } = genome.placement;
  for (const [index, cloud] of prefer.entries()) {
    const at = ['placement', 'prefer', index];
    if (!clouds.includes(cloud)) {
      report({
        code: 'unknown-cloud',
        at,
        message: `there is no cloud \`${cloud}\``,
        expected: clouds.length <= 12 ? `one of ${clouds.join(', ')}` : 'the name of a cloud',
        suggestion: nearest(cloud, clouds),
        because: [['clouds']],
      });
    } else if (prefer.indexOf(cloud) !== index) {
      const message = `\`${cloud}\` is preferred already`;
      report({ severity: 'warning', code: 'cloud-twice', at, message, expected: 'each cloud once' });
    }
  }
  const entries = Object.entries(genome.clouds);
  const regions = new Set(entries.map(([name, gene]) => computeProvider(gene.provider).place?.(gene).region ?? name));
  if (spread === 'none' || regions.size !== 1 || genome.body.maxCells === 1) return;
  report({
    code: 'one-region',
    at: ['placement', 'spread'],
    message: `every cloud is in ${[...regions].join('')}, so there could never be a second cell`,
    expected: 'a cloud in another region, or none',
    suggestion: 'none',
    because: [['clouds']],
  });
}
