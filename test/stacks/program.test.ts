/** Resources of Pulumi's own packages in a plan: their providers, their classes, and the forms that values are written in. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { formOf } from '../../stacks/forms.ts';
import { packageOf } from '../../stacks/packages.ts';
import type { Bindings, Json, ResourceSpec, StackPlan } from '../../stacks/stack.ts';
import { registered } from './registered.ts';

const PROVIDER: ResourceSpec = {
  type: 'pulumi:providers:linode',
  name: 'linode/far',
  inputs: { url: 'https://api.example.net', eventPollMs: 5, skipInstanceReadyPoll: true },
};
const planOf = (...resources: readonly ResourceSpec[]): StackPlan => ({
  ...{ name: 'garden-b0123456789-body', kind: 'body', cell: 'b0123456789', engine: 'pulumi', resources },
});
const BINDINGS: Bindings = { values: { imprintKey: 'ssh-ed25519 AAAA' }, secrets: { hostKey: 'PEM\n"x"' } };

const machine = (more: Partial<ResourceSpec> = {}): ResourceSpec => ({
  type: 'linode:index/instance:Instance',
  name: 'machine',
  provider: 'linode/far',
  once: ['metadatas'],
  inputs: {
    region: 'de-fra-2',
    firewallId: { $number: { $ref: 'firewall.id' } },
    authorizedKeys: [{ $value: 'imprintKey' }],
    metadatas: [{ userData: { $base64: { $cloudConfig: { key: { $secret: 'hostKey' } } } } }],
  },
  ...more,
});
const FIREWALL: ResourceSpec = {
  type: 'linode:index/firewall:Firewall',
  name: 'firewall',
  provider: 'linode/far',
  inputs: { label: 'garden', inboundPolicy: 'DROP', outboundPolicy: 'ACCEPT' },
};

test('is made by the classes of its package, through the provider of the plan', async () => {
  // Not in the order that it has to be made in.
  const all = await registered(planOf(machine(), FIREWALL, PROVIDER), BINDINGS, { firewall: { id: '17' } });
  expect(all.map(({ name }) => name)).toEqual(['linode/far', 'firewall', 'machine']);
  const [provider, firewall, made] = all;
  expect(provider).toEqual({
    type: 'pulumi:providers:linode',
    name: 'linode/far',
    inputs: { url: 'https://api.example.net', eventPollMs: '5', skipInstanceReadyPoll: 'true' },
    secret: [],
    provider: null,
    version: packageOf('linode')?.version,
    ignores: [],
  });
  expect(firewall).toMatchObject({ type: 'linode:index/firewall:Firewall', provider: 'linode/far' });
  expect(made).toMatchObject({ provider: 'linode/far', ignores: ['metadatas'], secret: ['metadatas'] });
  expect(made?.inputs).toEqual({
    region: 'de-fra-2',
    firewallId: 17,
    authorizedKeys: ['ssh-ed25519 AAAA'],
    metadatas: [{ userData: expect.any(String) }],
  });
  const [metadata] = (made?.inputs.metadatas ?? []) as { userData: string }[];
  const [first, ...config] = Buffer.from(metadata?.userData ?? '', 'base64')
    .toString()
    .split('\n');
  expect(first).toBe('#cloud-config');
  expect(JSON.parse(config.join('\n'))).toEqual({ key: 'PEM\n"x"' });
});

test.each<[string, StackPlan, RegExp]>([
  ['a provider that is not there', planOf(machine(), FIREWALL), /the provider linode\/far/],
  ['a provider that is none', planOf({ ...FIREWALL, provider: 'firewall' }), /the provider firewall/],
])('is refused with %s', async (_, plan, why) => {
  await expect(registered(plan, BINDINGS)).rejects.toMatchObject({
    code: 'STACK_FAILED',
    why: expect.stringMatching(why),
  });
});

test.each<[Json, Json]>([
  [{ $number: '42' }, 42],
  [{ $base64: 'ä' }, 'w6Q='],
  [{ $cloudConfig: { a: [1] } }, '#cloud-config\n{\n "a": [\n  1\n ]\n}\n'],
])('%j is written as %j', (value, text) => {
  const form = formOf(value);
  expect(form?.write(form.of)).toEqual(text);
});

test.each<Json>([{ $number: 1, more: 2 }, { $other: 1 }, ['$number'], { toString: 1 }, {}, null, 7])(
  '%j is no form',
  (value) => expect(formOf(value)).toBeNull(),
);

test('says the versions that are pinned', () => {
  const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  for (const name of ['aws', 'digitalocean', 'linode']) {
    // Of the same line, and never an older one.
    const [plugin, sdk] = [packageOf(name)?.version ?? '', devDependencies[`@pulumi/${name}`] ?? ''].map((version) =>
      version.split('.').map(Number),
    ) as [number[], number[]];
    expect(plugin[0]).toBe(sdk[0]);
    expect(plugin[1]).toBeGreaterThanOrEqual(sdk[1] as number);
  }
  expect(packageOf('toString')).toBeNull();
});
