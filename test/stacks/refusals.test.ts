/** What clouds say when they make no machine, in their own words, and what that means. */
import { expect, test } from 'vitest';
import { advise, CellError } from '../../src/errors.ts';
import { inWords, isFinal, isNothing, refusalOf } from '../../stacks/refusals.ts';

const plugin = (why: string) =>
  new CellError('STACK_FAILED', 'stack garden-b1-body: could not update machine', { why });

test.each([
  [
    'quota',
    'POST https://api.digitalocean.com/v2/droplets: 422 (request "x") creating this/these droplet(s) will exceed your droplet limit',
  ],
  ['quota', 'VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0 allows'],
  ['quota', '[400] Account Limit reached. Please open a support ticket.'],
  [
    'capacity',
    'InsufficientInstanceCapacity: We currently do not have sufficient t4g.micro capacity in the Availability Zone',
  ],
  ['capacity', '422 size is not available in this region'],
  ['credential', '401 (request "x") Unable to authenticate you'],
  ['credential', '[401] Invalid Token'],
  ['credential', 'UnauthorizedOperation: You are not authorized to perform this operation'],
  ['outage', '503 Service Unavailable'],
  ['outage', 'dial tcp: lookup api.linode.com: no such host'],
  ['outage', 'context deadline exceeded'],
  ['outage', 'read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer'],
  ['outage', 'fetch failed'],
  ['busy', 'POST https://api.digitalocean.com/v2/droplets: 429 (request "x") API Rate limit exceeded.'],
  ['busy', 'RequestLimitExceeded: Request limit exceeded.'],
  ['stuck', "Error waiting for droplet (1) to become ready: timeout (last state: 'new', timeout: 1h0m0s)"],
  ['stuck', 'Error waiting for droplet (500002) to become ready: context deadline exceeded'],
  ['stuck', 'timed-out waiting for Linode instance 5 to reach status running: context deadline exceeded'],
  ['nonsense', "invalid character '<' looking for beginning of value"],
] as const)('%s: %s', (kind, said) => {
  const refusal = refusalOf(plugin(`1 error occurred:\n\t* ${said}`));
  expect(refusal).toMatchObject({ kind });
  expect(refusal?.why.startsWith(`${kind}: `)).toBe(true);
  expect(refusal?.why).not.toContain('\n');
  expect(refusal !== null && isFinal(refusal)).toBe(['quota', 'capacity', 'credential'].includes(kind));
  expect(refusal !== null && isNothing(refusal)).toBe(['quota', 'capacity', 'credential', 'busy'].includes(kind));
});

test('what a handler of our own refused is the cloud, by its reason', () => {
  const cause = new CellError('PROVIDER_REFUSED', 'no', { why: 'its key speaks for another organism' });
  const thrown = new CellError('STACK_FAILED', 'stack x: could not create machine', { why: 'no', cause });
  expect(refusalOf(thrown)).toEqual({ kind: 'refused', why: 'its key speaks for another organism' });
});

test.each([
  ['a missing engine', new CellError('ENGINE_MISSING', 'there is no Pulumi CLI', { why: 'quota' })],
  ['a machine that does not answer', new CellError('MACHINE_UNREACHABLE', 'No SSH log-in', { why: '503' })],
  ['a mistake', new Error('quota')],
  ['a plan that cannot be run', plugin('there is no secret called hostKey')],
  ['nothing', undefined],
])('%s is no refusal', (_, thrown) => expect(refusalOf(thrown)).toBeNull());

test('in words it says who, what and what to do, keeps its kind, and is said once', () => {
  const said = 'POST https://api.digitalocean.com/v2/droplets: 422 (request "x") will exceed your droplet limit.';
  const told = inWords(plugin(`1 error occurred:\n\t* ${said}`), 'digitalocean', 'near');
  expect(advise(told)).toBe(
    'DigitalOcean makes no more machines in near, for a limit of the account is reached: ' +
      '"422 will exceed your droplet limit". Have the limit raised there, or end machines that nobody needs.',
  );
  expect(refusalOf(told)).toEqual({ kind: 'quota', why: `quota: ${advise(told)}` });
  const own = new Error('a mistake');
  expect(inWords(own, 'digitalocean', 'near')).toBe(own);
});

test('a long answer is cut around what it says', () => {
  const refusal = refusalOf(plugin(`${'a '.repeat(400)}exceed your droplet limit${' b'.repeat(400)}`));
  expect(refusal?.why.length).toBeLessThan(180);
  expect(refusal?.why).toContain('droplet limit');
});
