/** A machine that cannot be asked is not taken for destroyed, where anything depends on it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generateHostKey } from '../src/effects/keys.ts';
import { freePort } from '../src/effects/services.ts';
import type { Here } from '../src/here.ts';
import { strays, unasked } from '../src/sweep.ts';
import { unmake, unmakeUnknown } from '../src/unmake.ts';

const DEAD = '127.0.0.1';
const DNS = { provider: 'local' };

describe('a listed machine that is off', () => {
  let home: string;
  let genome: never;
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'cell-unmake-'));
    const { privatePem, publicKey } = generateHostKey();
    const machines = [{ address: DEAD, port: await freePort(DEAD), user: 'root', hostKey: publicKey }];
    genome = { organism: 'garden', clouds: { mine: { provider: 'hosts', machines } }, dns: DNS } as never;
    const credentials = { compute: { mine: { privateKey: privatePem, machines } }, dns: null };
    writeFileSync(join(home, 'credentials.json'), JSON.stringify(credentials));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** Somebody who knows one cell, `c1` of the birth `b1`. */
  const here = (address: string): Here => {
    const cells = { c1: { id: 'c1', birth: 'b1', reach: { address } } };
    return { home, memory: { recall: async () => ({ lineage: { cells } }) } } as never;
  };
  const credentials = () => JSON.parse(readFileSync(join(home, 'credentials.json'), 'utf8'));

  test('may still run the cell that was there: it is not unmade', async () => {
    await expect(unmake(here(DEAD), genome, 'b1')).rejects.toMatchObject({ code: 'MACHINE_UNREACHABLE' });
  });

  test('does not matter for a birth that was elsewhere, or nowhere yet', async () => {
    await unmake(here('192.0.2.1'), genome, 'b1');
    await unmake(here(DEAD), genome, 'b2');
  });

  test('may run what a dead cell told nobody of, unless a known one is there', async () => {
    const known = new Set(['b1']);
    await expect(unmakeUnknown(here('192.0.2.1'), genome, 'maker', known)).rejects.toMatchObject({
      code: 'MACHINE_UNREACHABLE',
    });
    expect(await unmakeUnknown(here(DEAD), genome, 'maker', known)).toEqual([]);
  });

  test('is no stray, and is named', async () => {
    expect(await strays(genome, credentials(), new Set())).toEqual([]);
    expect(await unasked(genome, credentials())).toEqual([DEAD]);
  });
});
