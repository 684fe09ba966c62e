/** Whether the body can hold what the functions ask for: in cells, and in money. */
import { computeProvider } from '../../stacks/machines/index.ts';
import type { Genome } from '../schema.ts';
import { formatMoney } from '../units.ts';
import type { Report } from './complaint.ts';

export function checkBudget(genome: Genome, report: Report): void {
  const dividing = Object.entries(genome.functions).filter(([, gene]) => gene.divide !== 'never');
  const delegating = dividing.filter(([, gene]) => gene.divide === 'delegate').length;
  const staying = Object.keys(genome.functions).length - delegating;
  // Spread out, each delegated function has a cell of its own, and the rest share one; a replica is one more than that.
  const spread =
    Math.max(1, delegating + (staying > 0 ? 1 : 0)) + (dividing.length > delegating && delegating === 0 ? 1 : 0);
  checkCells(genome, dividing.length > 0, spread, report);
  checkStems(genome, report);
  checkMoney(genome, dividing.length > 0, report);
}

function checkCells(genome: Genome, divides: boolean, spread: number, report: Report): void {
  const { maxCells } = genome.body;
  const at = ['body', 'maxCells'];
  const because = [['functions']];
  if (divides && maxCells < 2) {
    const message = `the body holds ${maxCells} cell, so no function can ever divide`;
    report({
      code: 'budget-too-small',
      at,
      message,
      expected: 'at least 2, or divide: never',
      suggestion: String(Math.max(2, spread)),
      because,
    });
  } else if (divides && maxCells < spread) {
    const message = `spread out, the functions need ${spread} cells, and the body holds ${maxCells}`;
    report({
      severity: 'warning',
      code: 'budget-too-small',
      at,
      message,
      expected: `at least ${spread}`,
      suggestion: String(spread),
      because,
    });
  }
}

/** Stem cells are paid for out of the same budget as cells. */
function checkStems({ body }: Genome, report: Report): void {
  const { maxCells, stemCells } = body;
  if (stemCells === 0 || stemCells < maxCells) return;
  report({
    severity: 'warning',
    code: 'budget-too-small',
    at: ['body', 'stemCells'],
    message: `${stemCells} stem cells and the first cell are more than the body's ${maxCells}`,
    expected: `at most ${maxCells - 1}: they count as cells`,
    suggestion: String(maxCells - 1),
    because: [['body', 'maxCells']],
  });
}

function checkMoney(genome: Genome, divides: boolean, report: Report): void {
  const at = ['body', 'maxMonthlyCost'];
  const cap = genome.body.maxMonthlyCost;
  const prices: { name: string; cents: number }[] = [];
  for (const [name, gene] of Object.entries(genome.clouds)) {
    const price = computeProvider(gene.provider).monthly(gene);
    // Said where the size is: checks/sizes.ts.
    if (price === null) continue;
    if (price.cents > 0 && price.currency !== cap.currency) {
      report({
        code: 'two-currencies',
        at: 'monthly' in gene ? ['clouds', name, 'monthly'] : ['clouds', name],
        message: `cloud \`${name}\` is paid in ${price.currency}, and the cap is in ${cap.currency}`,
        expected: 'one currency: rates change, and a cap must not',
        because: [at],
      });
      continue;
    }
    prices.push({ name, cents: price.cents });
  }
  const because = [['clouds']];
  const [first] = prices;
  if (first === undefined || prices.length < Object.keys(genome.clouds).length) return;
  const shown = formatMoney(cap.cents, cap.currency);
  if (first.cents > cap.cents) {
    const price = formatMoney(first.cents, cap.currency);
    const message = `one machine in \`${first.name}\` costs ${price} a month, more than the cap of ${shown}`;
    report({ code: 'cap-too-low', at, message, expected: `at least ${price}`, because });
    return;
  }
  const cheapest = Math.min(...prices.map((price) => price.cents));
  const fit = cheapest === 0 ? Number.POSITIVE_INFINITY : 1 + Math.floor((cap.cents - first.cents) / cheapest);
  if (divides && fit < 2) {
    const message = `the cap of ${shown} a month pays for ${fit} machine, so no function can ever divide`;
    report({
      code: 'cap-too-low',
      at,
      message,
      expected: 'enough for two machines, or divide: never',
      because: [...because, ['functions']],
    });
  } else if (fit < genome.body.maxCells) {
    const message = `the cap of ${shown} a month pays for ${fit} of the ${genome.body.maxCells} cells`;
    report({
      severity: 'warning',
      code: 'cap-too-low',
      at,
      message,
      expected: 'a higher cap, or fewer cells',
      because,
    });
  }
}
