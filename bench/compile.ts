/** A genome of 1,000 functions, read, checked and compiled, beside JSON there and back for the same data. */
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
  const whole = () => timed(() => compile(parseGenome(TEXT, 'bench.yaml').genome ?? genome, who));
  const json = () => timed(() => JSON.parse(JSON.stringify(genome)));
  const [text, there] = await inTurn(whole, json, ROUNDS);
  const [data, back] = await inTurn(() => timed(() => compile(genome, who)), json, ROUNDS);
  return [
    atMost(`compile of ${FUNCTIONS} functions from YAML, against JSON of the same`, 'ms', text, 1_000, there),
    reported(`compile of ${FUNCTIONS} functions, read already, against JSON of the same`, 'ms', data, back),
  ];
}

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
