/** The other examples on real local machines, each brought to what its README promises. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Garden, plant } from './garden.ts';

let garden: Garden;
afterEach(() => garden.close(), 120_000);

async function seeded(): Promise<void> {
  const { code, stderr } = await garden.cell('seed', '--yes');
  expect(code, stderr).toBe(0);
}

describe('small', () => {
  it('serves its page by its name', async () => {
    garden = await plant('small', 'genome.yaml');
    await seeded();
    const page = await garden.ask('www.small.test', '/');
    expect(page.status).toBe(200);
    expect(page.body).toContain('Hello from');
  }, 120_000);
});

describe('a machine without a Node', () => {
  it('gets the runtime with the imprint, by content, and runs on it', async () => {
    garden = await plant('small', 'genome.yaml', (text) =>
      text
        .replace('provider: local', 'provider: local\n    runtime: none')
        .replace('run: node web.js', 'run: $CELL_ROOT/opt/cell/store/*/node web.js'),
    );
    await seeded();
    expect((await garden.ask('www.small.test', '/')).status).toBe(200);
    const [cell] = (await garden.status()).cells;
    const there = await garden.cell('ssh', cell?.name ?? '', '--', 'command -v node; ls $CELL_ROOT/opt/cell/store');
    expect(there.stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
    const tick = await garden.cell('ssh', cell?.name ?? '', '--', 'cell divide --dry-run');
    expect(tick.stdout).toContain('the first cell stays');
  }, 120_000);
});

describe('adea', () => {
  it('shows a note kept through one UI in the other, by the link of their databases', async () => {
    garden = await plant('adea', 'genome.yaml', (text) =>
      text.replace(/heartbeat: \S+/, 'heartbeat: 2s').replace(/refractory: \S+/, 'refractory: 5m'),
    );
    await seeded();
    const first = (await garden.status()).cells[0];
    expect((await garden.ask('www.adea.test', '/notes', 'title=Seeds&body=to+sow')).status).toBeLessThan(400);

    const divided = await garden.cell(
      'ssh',
      first?.name ?? '',
      '--',
      'cell=$CELL_ROOT/opt/cell/bin/cell; $cell divide --now ui',
    );
    expect(divided.stdout).toContain('done');
    const both = await garden.until(
      'two cells with a database',
      (status) =>
        status.cells.filter((cell) => cell.functions.some((one) => one.name === 'database' && one.health === 'healthy'))
          .length === 2,
      60_000,
    );
    const child = both.cells.find((cell) => cell.id !== first?.id);
    expect(child?.functions.map((one) => one.name).sort()).toEqual(['database', 'ui']);

    // Kept after the division, so that only the link can have carried it.
    expect((await garden.ask('www.adea.test', '/notes', 'title=Later&body=linked')).status).toBeLessThan(400);
    await expect
      .poll(
        async () =>
          (await garden.cell('exec', 'database', '--cell', child?.name ?? '', '--', 'sh', '-c', 'cat data/*')).stdout,
        { timeout: 60_000, interval: 1_000 },
      )
      .toContain('linked');
    expect((await garden.ask('www.adea.test', '/search?q=linked')).body).toContain('Later');
  }, 240_000);
});

describe('elmsln', () => {
  it('spreads its thirteen systems over thirteen machines by dividing, and stays one suite', async () => {
    // A beat long enough for two cores that stand for thirteen machines; every division is asked for.
    garden = await plant('elmsln', 'genome.yaml', (text) =>
      text
        .replace(/heartbeat: \S+/, 'heartbeat: 10m')
        .replace('\nclouds:', '\nhealing: { suspectAfter: 1h, deadAfter: 2h, aloneAfter: 3h }\n\nclouds:'),
    );
    await seeded();
    const start = await garden.status();
    const first = start.cells[0];
    const systems = start.domains.map((domain) => domain.function);
    expect(systems).toHaveLength(13);
    const before = await garden.ask('courses.elmsln.test', '/items', '{"title":"Botany"}');
    expect(before.status).toBeLessThan(400);

    for (const system of systems.slice(1)) {
      const ran = await garden.cell(
        'ssh',
        first?.name ?? '',
        '--',
        `$CELL_ROOT/opt/cell/bin/cell divide --now ${system}`,
      );
      expect(ran.stdout + ran.stderr).toMatch(/goes on with settle|done/);
      // The division waits for its TTL; the next tick ends it.
      await settle(first?.name ?? '');
    }
    const grown = await garden.until('thirteen cells', (status) => status.cells.length === 13, 60_000);
    for (const cell of grown.cells) expect(cell.functions).toHaveLength(1);
    const addresses = new Set<string>();
    for (const { name } of grown.domains) {
      const answers = await garden.addresses(name);
      expect(answers).toHaveLength(1);
      addresses.add(answers[0] ?? '');
      expect((await garden.ask(name, '/')).status).toBe(200);
    }
    expect(addresses.size).toBe(13);
    // What was kept before the moves is there after them.
    expect((await garden.ask('courses.elmsln.test', '/items')).body).toContain('Botany');
  }, 600_000);

  async function settle(name: string): Promise<void> {
    await expect
      .poll(
        async () =>
          (
            await garden.cell(
              'ssh',
              name,
              '--',
              '$CELL_ROOT/opt/cell/bin/cell divide; ls $CELL_ROOT/var/lib/cell/journal',
            )
          ).stdout.trim(),
        { timeout: 60_000, interval: 1_000 },
      )
      .toBe('');
  }
});
