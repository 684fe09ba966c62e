/**
 * What a person reads in `cell status` when a cloud misbehaves: who refused, what, and what there is to do, on a line that is
 * whole. Each fault goes through the stack, the ticks, the pulse and the text of the command, by the real Pulumi CLI.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { seekOf } from '../../src/seek.ts';
import type { Asked, Given } from '../stacks/credentials/server.support.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { aCloud } from './bench.ts';
import { type Ticking, tickingAt } from './cell.support.ts';
import { TOKENS } from './cloud.support.ts';
import { type Cloud, noMachines } from './cloud.ts';

// Read where they are loaded: nobody waits here for three minutes, nor for fifteen.
vi.hoisted(() => {
  process.env.CELL_GONE_TIMEOUT_MS = '2000';
  process.env.CELL_CREATE_TIMEOUT_MS = '30000';
});

type Trouble = NonNullable<Cloud['trouble']>;
const isCreate = ({ method, path }: Asked) => method === 'POST' && path === '/v2/droplets';
const isList = ({ method, path }: Asked) => method === 'GET' && path === '/v2/droplets';
const on =
  (which: (asked: Asked) => boolean, given: Given): Trouble =>
  (asked) =>
    which(asked) ? given : null;
const refusing = (status: number, message: string, headers = {}) => ({ status, headers, body: { id: 'no', message } });
const PAGE: Given = { status: 200, body: '<html>Welcome to our proxy</html>' };
const LIMIT = 'creating this/these droplet(s) will exceed your droplet limit';
const PROXY = 'A proxy may stand between, or it is in trouble';
const AGAIN = 'It is asked again by itself';
const BUSY = 'DigitalOcean has had too many requests of this account (near)';
const BROKEN = 'DigitalOcean gave no good answer about a machine in near';
const SENSELESS = 'DigitalOcean answered what makes no sense about a machine in near';

withPulumi('the reason in cell status, by a real Pulumi CLI', () => {
  const at = aCloud();
  const revoked: Trouble = (asked) => {
    if (isCreate(asked)) at.cloud.tokens.delete(TOKENS.compute);
    return null;
  };
  const lost: Trouble = (asked, then) => {
    if (!isCreate(asked)) return null;
    then();
    return { status: 0, cut: true };
  };
  /** Lines about the cloud: the others say that a first cell stays, and that it goes on. */
  const told = async (cell: Ticking) => {
    const text = await cell.status();
    const lines = text.filter((line) => line.includes('DigitalOcean'));
    expect(lines, text.join('\n')).not.toEqual([]);
    const line = lines.join('\n');
    // Of no use to a stranger: an answer as it came, where our code was, half a sentence.
    expect(line).not.toMatch(/[{}<>]|\bat \S+\.ts|https?:|\?|…|undefined|stack garden/);
    for (const one of lines) expect(one.length).toBeLessThan(450);
    return line;
  };

  test.each<[string, Trouble, string, string | RegExp, string]>([
    [
      '429 with Retry-After to a create',
      on(isCreate, refusing(429, 'API Rate limit exceeded.', { 'retry-after': '1' })),
      BUSY,
      '429 API Rate limit exceeded',
      AGAIN,
    ],
    [
      '429 with Retry-After to a list',
      on(isList, refusing(429, 'API Rate limit exceeded.', { 'retry-after': '1' })),
      BUSY,
      'API Rate limit exceeded',
      AGAIN,
    ],
    ['5xx to a create', on(isCreate, refusing(503, 'Server was unable.')), BROKEN, '503 Server was unable', AGAIN],
    ['5xx to a list', on(isList, refusing(503, 'Server was unable.')), BROKEN, '503: Server was unable', AGAIN],
    ['a time-out after it took effect', lost, BROKEN, /fetch failed|EOF|reset|giving up/, AGAIN],
    [
      'a quota',
      on(isCreate, refusing(422, LIMIT)),
      'DigitalOcean makes no more machines in near, for a limit of the account is reached',
      LIMIT,
      'Have the limit raised there, or end machines that nobody needs.',
    ],
    [
      'a region that is gone',
      on(isCreate, refusing(422, 'Size is not available in this region.')),
      'DigitalOcean has no such machine for near',
      'Size is not available in this region',
      'Name another size or region in the genome, or one cloud more',
    ],
    [
      'a token revoked, or run out, in the middle',
      revoked,
      'DigitalOcean does not take the credential of near',
      'Unable to authenticate you',
      'Put a good one in its place and run `cell seed` again where the organism was seeded.',
    ],
    ['nonsense for a create', on(isCreate, PAGE), SENSELESS, 'what came is no JSON', PROXY],
    ['nonsense for a list', on(isList, PAGE), SENSELESS, 'characters of something else', PROXY],
    [
      'a list without its list',
      on(isList, { status: 200, body: { meta: { total: 0 } } }),
      SENSELESS,
      'there is no list of droplets in it',
      PROXY,
    ],
  ])('%s', { timeout: PULUMI_WITHIN }, async (_, trouble, what, words, advice) => {
    await at.begin({ unlistedMs: 1e9 });
    at.cloud.trouble = trouble;
    const cell = await tickingAt(at.cloud);
    await cell.divide();
    // Its own pulse says what was decided, which is before what was done.
    await cell.tick();
    const line = await told(cell);
    for (const part of [what, advice]) expect(line).toContain(part);
    expect(line).toMatch(words);
  });

  test('a droplet that stays new', { timeout: PULUMI_WITHIN }, async ({ onTestFinished }) => {
    process.env.PLUGIN_PATIENCE_MS = '3000';
    onTestFinished(() => {
      delete process.env.PLUGIN_PATIENCE_MS;
    });
    await at.begin({ machines: { ...noMachines(), make: () => new Promise(() => undefined) } });
    const cell = await tickingAt(at.cloud);
    await cell.divide();
    await cell.tick();
    const line = await told(cell);
    expect(line).toContain('DigitalOcean made a machine in near that does not start');
    expect(line).toContain('It is destroyed, and another is asked for, by itself.');
  });

  test('a cloud that refuses where there is another', { timeout: PULUMI_WITHIN }, async () => {
    at.cloud.trouble = on(isCreate, refusing(422, LIMIT));
    const cell = await tickingAt(at.cloud, ['near', 'far']);
    await cell.divide();
    const { refused } = JSON.parse(readFileSync(join(cell.here.home, 'beat.json'), 'utf8')).tick;
    expect(refused.near.why).toContain(
      `makes no more machines in near, for a limit of the account is reached: "422 ${LIMIT}"`,
    );
  });

  test('eventual consistency: what was given up may appear, and is paid for', { timeout: PULUMI_WITHIN }, async () => {
    await at.begin({ unlistedMs: 1e9 });
    at.cloud.trouble = (asked, then) => {
      if (!isCreate(asked)) return null;
      then();
      return PAGE;
    };
    const cell = await tickingAt(at.cloud);
    await cell.divide();
    for (const _ of [1, 2]) {
      cell.pass(60_000);
      await cell.tick();
    }
    await cell.tick();
    const text = (await cell.status()).join('\n');
    expect(text).toMatch(/the last birth failed \(DigitalOcean answered what makes no sense about a machine in near/);
    expect(text).toMatch(/the machine of b[0-9a-f]{10}, given up, may appear: it is paid for until it has not/);
  });

  /** What somebody who is gone left behind, so many, is looked for; the last of them is the organism's. */
  async function leftBy(gone: string, others: number): Promise<Ticking> {
    const cell = await tickingAt(at.cloud);
    await seekOf(cell.here, cell.genome, { id: gone, birth: 'b000000000c' }, 'a test');
    const what = { region: 'ams3', size: 's-1vcpu-1gb', image: 'debian-13-x64', userData: '', keys: [] };
    for (let id = 1; id <= others + 1; id++) {
      const birth = `b${String(id).padStart(10, '0')}`;
      const tags = ['cell-organism:garden', `cell-birth:${birth}`, `cell-parent:${id > others ? gone : 'other'}`];
      const rest = { tags, createdAt: '2026-01-01T00:00:00Z', networks: null, listedFrom: 0 };
      at.cloud.droplets.set(id, { id, name: `garden-${birth}`, ...what, ...rest });
    }
    cell.pass(20_000);
    await cell.tick();
    await cell.tick();
    return cell;
  }

  test('a deletion that lingers', { timeout: PULUMI_WITHIN }, async () => {
    await at.begin({ lingersMs: 1e9 });
    const line = await told(await leftBy('gone', 0));
    expect(line).toContain("DigitalOcean's droplet 1 was asked to go and is there still");
    expect(line).toContain('This is tried again by itself. If it stays, look there for what holds it.');
  });

  test('more than 1,000 machines: the last is found, and there is nothing to say', {
    timeout: PULUMI_WITHIN,
  }, async () => {
    const cell = await leftBy('gone', 1_000);
    expect(at.cloud.droplets.size).toBe(1_000);
    expect(at.cloud.droplets.has(1_001)).toBe(false);
    expect((await cell.status()).filter((line) => line.includes('DigitalOcean'))).toEqual([]);
  });
});
