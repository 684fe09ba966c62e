/** Compiling a genome of 1,000 functions, beside parsing the same data as JSON. */
import { compile, firstCell } from '../genome/compile.ts';
import { parseGenome } from '../genome/parse.ts';
import { atMost, type Measure, median } from './measure.ts';

const FUNCTIONS = 1_000;

function text(): string {
  const functions = Array.from(
    { length: FUNCTIONS },
    (_, index) =>
      `  f${index}:\n    run: ./server\n    domain: f${index}.bench.test\n    health: { http: /health }\n    pressure: { cpu: { bounds: [5%, 80%] } }\n    divide: delegate\n`,
  );
  return `organism: bench\nzone: bench.test\nbody: { maxCells: 1000 }\nclouds: { here: { provider: local } }\ndns: { provider: local }\nfunctions:\n${functions.join('')}`;
}

export function measureCompile(): readonly Measure[] {
  const { genome } = parseGenome(text(), 'bench.yaml');
  if (genome === null) throw new Error('the genome of the measurement has errors');
  const who = firstCell(genome);
  const json = JSON.stringify(genome);
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < 7; round++) {
    const began = performance.now();
    compile(genome, who);
    ours.push(performance.now() - began);
    const then = performance.now();
    JSON.parse(json);
    theirs.push(performance.now() - then);
  }
  return [
    atMost(
      'compile of 1,000 functions (baseline: JSON.parse of the genome)',
      'ms',
      median(ours),
      1_000,
      median(theirs),
    ),
  ];
}
