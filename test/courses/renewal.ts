/** The course of a changed genome over two cells: from the seeder's home, from a pipeline's, and one that does not hold. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { Cell } from '../../src/model.ts';
import type { Organism } from './organism.ts';

interface Applied {
  readonly code: number;
  readonly outcome: string;
  readonly said: string;
}

export async function genomeChanges(organism: Organism): Promise<void> {
  const file = join(organism.ground.folder, 'genome.yaml');
  const edit = (change: (text: string) => string) => writeFileSync(file, change(readFileSync(file, 'utf8')));
  const apply = async (env: Readonly<Record<string, string>> = {}): Promise<Applied> => {
    const minutes = `${3 * organism.ground.patience}m`;
    const ran = await organism.cell(['apply', '-g', file, '--json', '--timeout', minutes], env);
    const last = JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '{}') as { outcome?: string };
    return { code: ran.code, outcome: last.outcome ?? 'none', said: `${ran.stdout}${ran.stderr}` };
  };
  const everywhere = { code: 0, outcome: 'converged' };

  const seeded = await organism.seed();
  expect(seeded.code, seeded.stderr).toBe(0);
  const [first] = (await organism.living()) as [Cell];
  await organism.tick(first, { now: 'api' });
  const cells = await organism.until('two cells with api', async () => {
    const { cells: all, homes } = await organism.lineage();
    const living = Object.values(all).filter(({ state, weaned }) => state === 'living' && weaned);
    return homes.api?.length === 2 && organism.sagas(first).length === 0 && living;
  });
  const variable = async (name: string) =>
    Promise.all(
      cells.map(async (cell) => {
        const { stdout } = await organism.on(cell, `sed -n 's/^${name}=//p' "$CELL_ROOT/etc/cell/env/api.env"`);
        return stdout.trim().replaceAll('"', '');
      }),
    );

  // By the seeder's key: a pipeline's may propose from now on, and is let in.
  const key = generateHostKey();
  edit((text) => text.replace('rhythm:', `governance: { authorities: [${key.publicKey} ci] }\nrhythm:`));
  const opened = await apply();
  expect(opened, opened.said).toMatchObject(everywhere);

  // By the pipeline's: a home with nothing but an invitation and that key.
  const invitation = (await organism.cell(['invite', '-g', file])).stdout.trim();
  const home = mkdtempSync(join(organism.ground.folder, 'ci-'));
  const pipeline = { CELL_HOME: home, CELL_ORGANISM: invitation, CELL_KEY: key.privatePem };
  edit((text) => text.replaceAll('env: { ', 'env: { COLOUR: green, '));
  const coloured = await apply(pipeline);
  expect(coloured, coloured.said).toMatchObject(everywhere);
  expect(await variable('COLOUR')).toEqual(['green', 'green']);
  for (const cell of cells) {
    const { stdout } = await organism.on(cell, 'systemctl is-active cell-fn-api.service');
    expect(stdout.trim(), cell.name).toBe('active');
  }

  // One that needs a package: no machine has it, so each says no and nothing changes.
  const before = readFileSync(file, 'utf8');
  edit((text) => text.replaceAll(/^( *)env: \{ /gm, '$1packages: [sl]\n$1env: { SIZE: small, '));
  const lacking = await apply(pipeline);
  expect(lacking, lacking.said).toMatchObject({ code: 1, outcome: 'refused' });
  expect(lacking.said).toMatch(/it needs sl, which this machine has not/);
  expect(await variable('SIZE')).toEqual(['', '']);
  writeFileSync(file, before);

  // One with which no function starts: nobody but the first cell ever had it, and that one goes back.
  const kept = readFileSync(file, 'utf8');
  edit((text) => text.replaceAll('server.js', 'nothing.js').replaceAll('COLOUR: green', 'COLOUR: red'));
  const broken = await apply(pipeline);
  expect(broken, broken.said).toMatchObject({ code: 1, outcome: 'takenBack' });
  expect(await organism.until('all went back', async () => !(await variable('COLOUR')).includes('red'))).toBe(true);
  await organism.until('api runs in both', () => organism.running('api').length === 2);

  writeFileSync(file, kept);
  const again = await apply(pipeline);
  expect(again.code, again.said).toBe(0);
  rmSync(home, { recursive: true, force: true });
  expect(organism.unsound(await organism.lineage())).toEqual([]);
}
