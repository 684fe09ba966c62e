/** Stem cells, on local machines. */
import { expect, test } from 'vitest';
import { type Ground, localGround } from '../courses/ground.ts';
import { newOrganism, type Options, type Organism } from '../courses/organism.ts';
import { deadStemAtDivision, divided, keeperLeaves, stemKilledAtEveryStep } from '../courses/stem.ts';

const TIMEOUT = 300_000;
/** Machines that come with nothing: an imprint brings a Node, too. */
const bare = () => localGround('none');

async function drill<T>(
  options: Options,
  course: (organism: Organism) => Promise<T>,
  ground: () => Promise<Ground> = localGround,
): Promise<T> {
  const organism = await newOrganism(options, ground);
  try {
    return await course(organism);
  } finally {
    await organism.close();
  }
}

test('a division takes a stem cell: no machine is made and no artefact sent', { timeout: TIMEOUT }, async () => {
  const node = process.execPath;
  const without = await drill({ node }, (organism) => divided(organism, 0), bare);
  const having = await drill({ node, stemCells: 1 }, (organism) => divided(organism, 1), bare);
  const made = ({ phases: { reserve = 0, body = 0, imprint = 0 } }: typeof having) => reserve + body + imprint;
  console.log(
    `until a cell is imprinted: ${made(without)} ms, ${made(having)} ms with a stem cell (${(made(without) / made(having)).toFixed(1)} times)`,
  );
  expect(Object.keys(without.phases).slice(0, 3)).toEqual(['reserve', 'body', 'imprint']);
  expect(Object.keys(having.phases)[0]).toBe('imprint');
  expect(without.figures.imprintBytes).toBeGreaterThan(1_000_000);
  expect(having.figures.imprintBytes).toBe(0);
});

test('killed at every step', { timeout: TIMEOUT }, () => drill({ stemCells: 1 }, stemKilledAtEveryStep));

test('a stem cell that died does not keep a division', { timeout: TIMEOUT }, () =>
  drill({ stemCells: 1 }, deadStemAtDivision),
);

test.each(['ordered', 'dies'] as const)('a keeper that %s leaves none behind', { timeout: TIMEOUT }, (how) =>
  drill({ maxCells: 8, stemCells: 2, deadAfter: '6s' }, (organism) => keeperLeaves(organism, how)),
);
