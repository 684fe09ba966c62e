/** A genome of 1,000 functions, from its text and from its data, beside JSON there and back for the same data. */
import { compile, firstCell } from '../genome/compile.ts';
import { parseGenome } from '../genome/parse.ts';
import { atMost, inTurn, type Measure, reported } from './measure.ts';

const FUNCTIONS = 1_000;
const ROUNDS = 7;

const GENE = (index: number) => `  f${index}:
    run: ./server
    domain: f${index}.bench.test
    health: { http: /health }
    pressure: { cpu: { bounds: [5%, 80%] } }
    divide: delegate
`;

const TEXT = `organism: bench
zone: bench.test
body: { maxCells: 1000 }
clouds: { here: { provider: local } }
dns: { provider: local }
functions:
${Array.from({ length: FUNCTIONS }, (_, index) => GENE(index)).join('')}`;

export async function measureCompile(): Promise<readonly Measure[]> {
  const { genome } = parseGenome(TEXT, 'bench.yaml');
  if (genome === null) throw new Error('the genome of the measurement has errors');
  const who = firstCell(genome);
  const json = () => timed(() => JSON.stringify(JSON.parse(JSON.stringify(genome))));
  const [data, there] = await inTurn(() => timed(() => compile(genome, who)), json, ROUNDS);
  const [text, back] = await inTurn(() => timed(() => parseGenome(TEXT, 'bench.yaml')), json, ROUNDS);
  return [
    atMost(`compile of ${FUNCTIONS} functions, against JSON of the same`, 'ms', data, 1_000, there),
    reported(`reading and checking of ${FUNCTIONS} functions, against JSON of the same`, 'ms', text, back),
  ];
}

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
