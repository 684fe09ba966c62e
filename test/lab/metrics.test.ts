/** What a tick says on a real machine: to Prometheus, by the parsers that will read it, and to the journal, with priorities. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newOrganism } from '../courses/organism.ts';
import { readOpenMetrics } from '../decide/exposition.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 108;
const TIMEOUT = 600_000;
const PROMETHEUS = [{ program: 'promtool', package: 'prometheus' }];

describe.skipIf(needs('metrics and logs', NSPAWN, KNOT))('what a tick leaves', () => {
  test('metrics for all to read, and lines with priorities', { timeout: TIMEOUT }, async ({ onTestFinished }) => {
    const organism = await newOrganism({ deadAfter: '4m' }, () => labGround(OCTET));
    onTestFinished(organism.close, TIMEOUT);
    const seeded = await organism.seed();
    expect(seeded.code, seeded.stderr).toBe(0);
    const [first] = await organism.living();
    if (first === undefined) throw new Error('nobody lives');
    const file = join(organism.ground.rootOf(first), 'srv/cell/.metrics/cell.prom');
    const ticks = () => readOpenMetrics(readFileSync(file, 'utf8')).find(({ name }) => name === 'cell_ticks_total');
    await organism.until('two ticks are counted', () => (ticks()?.value ?? 0) >= 2, 120_000);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups cat /srv/cell/.metrics/cell.prom';
    const { stdout } = await organism.on(first, nobody);
    expect(readOpenMetrics(stdout).length).toBeGreaterThan(20);
    if (!needs("the node exporter's own parser", PROMETHEUS)) {
      const { stderr, error } = spawnSync('promtool', ['check', 'metrics'], { input: stdout, encoding: 'utf8' });
      expect(error).toBeUndefined();
      // Of the older format only, in which the help of a counter would have another name.
      expect(stderr.split('\n').filter((line) => line !== '' && !/^cell_\w+_total no help text$/.test(line))).toEqual(
        [],
      );
    }

    // What a process began that was killed, the cell's own ticks go on with.
    expect((await organism.tick(first, { now: 'web', fault: 'kill-after:reserve' })).code).toBe(137);
    await organism.until('it is done', () => organism.sagas(first).length === 0, 240_000);
    const journal = await organism.on(first, 'journalctl -u cell-tick.service -o json --no-pager');
    const lines = journal.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { readonly MESSAGE: string; readonly PRIORITY: string });
    const step = lines.find(({ MESSAGE }) => /^divide: body done saga=b[0-9a-f]{10} ms=\d+$/.test(MESSAGE));
    expect(step?.PRIORITY).toBe('5');
    expect(lines.filter(({ MESSAGE }) => /^<\d>/.test(MESSAGE))).toEqual([]);
    const shown = await organism.cell(['logs', first.name, '-n', '400']);
    expect(shown.stdout).toMatch(/divide: body done saga=/);
  });
});
