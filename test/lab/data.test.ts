/**
 * 1 GiB that a function goes on changing moves between two real machines: what arrives is what was there at the stop, and
 * the function stands still for a small part of the time that copying it all takes.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Mitosis } from '../../src/saga.ts';
import { livingOf } from '../courses/drill.ts';
import { newOrganism } from '../courses/organism.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 106;
const MIB = 1024;
const TIMEOUT = 900_000;

describe.skipIf(needs('data', NSPAWN, KNOT))('data', () => {
  test('1 GiB that changes moves while its function serves', { timeout: TIMEOUT }, async ({ onTestFinished }) => {
    const organism = await newOrganism({ churn: MIB, deadAfter: '4m' }, () => labGround(OCTET));
    onTestFinished(organism.close, TIMEOUT);
    const seeded = await organism.seed();
    expect(seeded.code, seeded.stderr).toBe(0);
    const [first] = await organism.living();
    if (first === undefined) throw new Error('nobody lives');
    const blocks = (cell: typeof first) => join(organism.ground.rootOf(cell), 'srv/cell/web/data/blocks');
    await organism.until('the data is there', () => existsSync(blocks(first)), 300_000);
    await organism.pause(first);

    // Killed once the function is given, so that what it left behind is still there to compare with.
    const ran = await organism.tick(first, { now: 'web', fault: 'kill-after:handOver' });
    expect(ran.code, ran.stdout + ran.stderr).toBe(137);
    const [saga] = organism.sagas(first) as readonly Mitosis[];
    const [, child] = livingOf(await organism.lineage());
    if (saga === undefined || child === undefined) throw new Error('nobody was born');

    expect(readdirSync(blocks(child))).toHaveLength(MIB / 8);
    execFileSync('diff', ['-r', blocks(first), blocks(child)]);
    const owner = statSync(join(blocks(child), '0')).uid;
    expect(owner).toBe(statSync(join(organism.ground.rootOf(child), 'srv/cell/web')).uid);
    expect(owner).not.toBe(0);

    const { 'firstPassMs:web': full = 0, 'secondPassMs:web': last = 0, 'pauseMs:web': pause = 0 } = saga.figures;
    const stopAndCopy = pause - last + full;
    process.stdout.write(
      `lab: ${MIB} MiB: all of it in ${full} ms, ${saga.figures['passes:web']} more passes, the last in ${last} ms ` +
        `(${saga.figures['secondPass:web']} bytes); pause ${pause} ms, stopped and copied ${stopAndCopy} ms, ` +
        `${(stopAndCopy / pause).toFixed(1)} times as long\n`,
    );
    expect(full).toBeGreaterThan(0);
    expect(last).toBeLessThan(full / 5);
    expect(pause).toBeLessThan(stopAndCopy / 3);
    await organism.goOn(first);
  });
});
