/**
 * What a cloud does wrong, through the real Pulumi CLI: nothing is made twice, nothing is left that costs, and the reason is
 * the maker's own.
 */
import { expect, test } from 'vitest';
import { MACHINE } from '../../stacks/machines/machine.ts';
import { refusalOf } from '../../stacks/refusals.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { bodyOf } from '../stacks/machines/rented.support.ts';
import { aCloud } from './bench.ts';
import { leftIn, letIn, TOKENS } from './cloud.support.ts';
import { noMachines } from './cloud.ts';

/** With a machine that is given up soon: the maker's plugin is told so by the plan. */
function hurried(plan: StackPlan): StackPlan {
  const within = { create: '3s', update: '3s', delete: '10m' };
  return { ...plan, resources: plan.resources.map((one) => (one.name === MACHINE ? { ...one, within } : one)) };
}

withPulumi('a cloud that misbehaves, by a real Pulumi CLI', () => {
  const at = aCloud();
  const { near, once, unmake } = at;
  const isCreate = ({ method, path }: { readonly method: string; readonly path: string }) =>
    method === 'POST' && path === '/v2/droplets';
  const running = () => [...at.cloud.droplets.keys()];

  test.each([
    ['and listed', 0],
    ['and not listed yet', 4_000],
  ])('a create whose answer was lost, %s, leaves one machine', { timeout: PULUMI_WITHIN }, async (_, unlistedMs) => {
    await at.begin({ unlistedMs });
    let lost = 0;
    at.cloud.trouble = (asked, then) => {
      if (!isCreate(asked) || lost > 0) return null;
      lost++;
      then();
      return { status: 0, cut: true };
    };
    const { address } = await once(bodyOf(near()));
    // The plugin asked again, as the maker's does, and so two were made.
    expect(at.cloud.made).toHaveLength(2);
    expect([...at.cloud.droplets.values()].map(({ networks }) => networks?.ipv4)).toEqual([address]);
    // What stands before the one that is kept is not the other's.
    expect([at.cloud.firewalls.size, at.cloud.keys.size]).toEqual([1, 1]);
    await unmake(bodyOf(near()));
    expect(leftIn(at.cloud)).toEqual([]);
  });

  test('429 and 5xx are waited out', { timeout: PULUMI_WITHIN }, async () => {
    let refused = 0;
    at.cloud.trouble = ({ method }) => {
      if (refused >= 3 || method === 'GET') return null;
      refused++;
      const status = refused === 1 ? 429 : 503;
      return { status, headers: { 'retry-after': '0' }, body: { id: 'too_many_requests', message: 'wait' } };
    };
    await once(bodyOf(near()));
    expect(running()).toHaveLength(1);
  });

  test.each<[string, number, object, string]>([
    ['a quota', 422, { message: 'creating this/these droplet(s) will exceed your droplet limit' }, 'quota'],
    ['a region that is gone', 422, { message: 'Size is not available in this region.' }, 'capacity'],
    ['an outage that lasts', 503, { message: 'Server was unable to give you a response.' }, 'outage'],
  ])('%s is the reason, and nothing is left', { timeout: PULUMI_WITHIN }, async (_, status, said, kind) => {
    at.cloud.trouble = (asked) => (isCreate(asked) ? { status, body: { id: 'no', ...said } } : null);
    const plan = bodyOf(near());
    const why = await once(plan).then(
      () => null,
      (thrown: unknown) => refusalOf(thrown),
    );
    expect(why).toMatchObject({
      kind,
      why: expect.stringContaining((said as { message: string }).message.slice(0, 30)),
    });
    await unmake(plan);
    expect(leftIn(at.cloud)).toEqual([]);
    expect(at.cloud.made).toEqual([]);
  });

  test('nonsense is no answer, and what it hid is found', { timeout: PULUMI_WITHIN }, async () => {
    at.cloud.trouble = (asked, then) => {
      if (!isCreate(asked)) return null;
      then();
      return { status: 200, body: '<html>Welcome to our proxy</html>' };
    };
    const plan = bodyOf(near());
    await expect(once(plan)).rejects.toMatchObject({ code: 'STACK_FAILED' });
    at.cloud.trouble = null;
    const { address } = await once(plan, 1);
    expect(at.cloud.made).toHaveLength(1);
    expect([...at.cloud.droplets.values()].map(({ networks }) => networks?.ipv4)).toEqual([address]);
    await unmake(plan);
    expect(leftIn(at.cloud)).toEqual([]);
  });

  test('a droplet that stays new is given up, and goes', { timeout: PULUMI_WITHIN }, async ({ onTestFinished }) => {
    process.env.PLUGIN_PATIENCE_MS = '3000';
    onTestFinished(() => {
      delete process.env.PLUGIN_PATIENCE_MS;
    });
    await at.begin({ machines: { ...noMachines(), make: () => new Promise(() => undefined) } });
    const plan = hurried(bodyOf(near()));
    const thrown = await once(plan).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ why: expect.stringContaining('to become ready: context deadline exceeded') });
    expect(refusalOf(thrown)).toMatchObject({ kind: 'stuck' });
    // Nor does the next attempt make another beside it.
    await once(plan, 1).catch(() => undefined);
    expect(at.cloud.made).toHaveLength(1);
    await unmake(plan);
    expect(leftIn(at.cloud)).toEqual([]);
  });

  test('a deletion that lingers is waited for', { timeout: PULUMI_WITHIN }, async () => {
    await at.begin({ lingersMs: 4_000 });
    const plan = bodyOf(near());
    await once(plan);
    const began = performance.now();
    await (await at.open()).destroy(plan.name);
    expect(performance.now() - began).toBeGreaterThan(4_000);
    expect(leftIn(at.cloud)).toEqual([]);
  });

  test('a token that was revoked is a reason', { timeout: PULUMI_WITHIN }, async () => {
    const plan = bodyOf(near());
    at.cloud.trouble = (asked) => {
      if (isCreate(asked)) at.cloud.tokens.delete(TOKENS.compute);
      return null;
    };
    await expect(once(plan)).rejects.toMatchObject({ why: expect.stringContaining('Unable to authenticate') });
    expect(at.cloud.made).toEqual([]);
    // With a good one again, the same birth goes on.
    at.cloud.trouble = null;
    letIn(at.cloud);
    await once(plan, 1);
    expect(running()).toHaveLength(1);
    await unmake(plan);
    expect(leftIn(at.cloud)).toEqual([]);
  });
});
