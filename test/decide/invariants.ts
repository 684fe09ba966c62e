/** What holds in every lineage, whatever happened. The simulator asks after each event, and so do the drills. */
import type { Lineage } from '../../src/model.ts';

/** Violations in words; none for a sound lineage. */
export function checkInvariants(lineage: Lineage): string[] {
  const violations: string[] = [];
  const must = (holds: boolean, what: string) => {
    if (!holds) violations.push(what);
  };
  const { seeder, maxCells } = lineage;
  const cells = Object.values(lineage.cells);
  const living = cells.filter((cell) => cell.state !== 'gone');

  const budgets = cells.reduce((sum, cell) => sum + cell.budget, seeder.budget);
  const attempts = cells.reduce((sum, cell) => sum + cell.attempts.length, lineage.seederAttempts.length);
  const sum = budgets + living.length + attempts;
  must(sum === maxCells, `budgets ${budgets} + cells ${living.length} + attempts ${attempts} is not ${maxCells}`);
  must(seeder.budget >= 0, `the seeder has a budget of ${seeder.budget}`);
  for (const cell of cells) {
    must(cell.budget >= 0, `${cell.name} has a budget of ${cell.budget}`);
    if (cell.state !== 'gone') continue;
    must(cell.budget + cell.attempts.length + cell.functions.length === 0, `${cell.name} is gone and holds something`);
  }

  for (const [name, homes] of Object.entries(lineage.homes)) {
    must(homes.length > 0, `${name} has no home`);
    const replicated = lineage.ledger?.replicated.includes(name) ?? true;
    must(replicated || homes.length === 1, `${name} was never replicated and has ${homes.length} homes`);
    for (const home of homes) {
      if (home === seeder.id) continue;
      const state = lineage.cells[home]?.state;
      must(
        state !== undefined && state !== 'gone' && state !== 'parted',
        `${name} lives on ${home}, which is ${state}`,
      );
      must(lineage.cells[home]?.functions.includes(name) === true, `${home} does not know that it performs ${name}`);
    }
  }
  for (const cell of cells) {
    for (const name of cell.functions) {
      must(lineage.homes[name]?.includes(cell.id) === true, `${cell.name} performs ${name} without being its home`);
    }
    const parent = lineage.cells[cell.parent];
    must(cell.parent === seeder.id || parent !== undefined, `${cell.name} has no parent`);
    if (cell.state !== 'gone') must(parent?.state !== 'gone', `${cell.name} is the child of a cell that is gone`);
  }
  for (const [stack, owner] of Object.entries(lineage.owners)) {
    must(owner === seeder.id || lineage.cells[owner]?.state !== 'gone', `${stack} is owned by a cell that is gone`);
  }
  return violations;
}
