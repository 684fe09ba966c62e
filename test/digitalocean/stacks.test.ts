/** A body and a voice at DigitalOcean by the real Pulumi CLI, from the plan to the calls at a stand-in of the API. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { compile } from '../../genome/compile.ts';
import { makeOnce } from '../../src/steps/lost.ts';
import { engine } from '../../stacks/engines/index.ts';
import { computeProvider } from '../../stacks/machines/index.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { bodyOf, digitalocean, genomeWith, HOST_KEY, IMPRINT_KEY, WHO } from '../stacks/machines/rented.support.ts';
import { leftIn, letIn, pluginOnPath, TOKENS } from './cloud.support.ts';
import { type Cloud, noMachines, startCloud } from './cloud.ts';
import { settledBy } from './cloud-init.ts';

const BINDINGS = { values: { imprintKey: IMPRINT_KEY }, secrets: { hostKey: HOST_KEY } };
const ZONE = 'garden.example.org';

withPulumi('stacks at DigitalOcean by a real Pulumi CLI', () => {
  let plugin: Awaited<ReturnType<typeof pluginOnPath>>;
  let folder: string;
  let cloud: Cloud;
  beforeAll(async () => {
    plugin = await pluginOnPath();
  });
  afterAll(() => plugin.remove());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cell-do-'));
    cloud = await startCloud({ machines: noMachines(), zone: ZONE });
    letIn(cloud);
  });
  afterEach(async () => {
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const near = () => digitalocean({ endpoint: cloud.url });
  const open = (token: string = TOKENS.compute, name = 'digitalocean/near') =>
    engine('pulumi', { home: join(folder, 'home'), credentials: { [name]: { token } } });
  const compute = computeProvider('digitalocean');
  const credential = () => ({ token: TOKENS.compute, endpoint: cloud.url });
  const once = async (plan: StackPlan, failures = 0) => {
    const pulumi = await open();
    const making = {
      ...{ provider: compute, lost: compute.lost!, engine: pulumi, plan, credential: credential() },
      make: () => pulumi.up(plan, BINDINGS),
    };
    return makeOnce(making, { genome: genomeWith(near()), log: () => undefined }, { birth: WHO.birth, failures });
  };

  test('a body is made, found the same again, and goes without a trace', { timeout: PULUMI_WITHIN }, async () => {
    const plan = bodyOf(near());
    const first = await (await open()).up(plan, BINDINGS);
    expect(first.changes.map(({ operation, name }) => `${operation} ${name}`).sort()).toEqual([
      ...['create firewall', 'create key', 'create machine', 'create tag'],
    ]);
    const [droplet] = [...cloud.droplets.values()];
    expect(droplet).toMatchObject({ name: 'garden-b0123456789', region: 'ams3', size: 's-1vcpu-1gb' });
    expect(droplet?.tags).toContain('cell-birth:b0123456789');
    expect(settledBy(droplet?.userData, droplet?.keys ?? [])).toEqual({ hostKey: HOST_KEY, rootKeys: [IMPRINT_KEY] });
    expect(compute.reach(first.outputs)).toMatchObject({ address: droplet?.networks?.ipv4, user: 'root' });
    expect([...cloud.firewalls.values()][0]?.tags).toEqual(['cell-birth:b0123456789']);

    const again = await (await open()).up(plan, BINDINGS);
    expect(again.changes.filter(({ operation }) => operation !== 'same')).toEqual([]);
    // Neither the token nor the host key lies in the clear on the disk of whoever made it.
    for (const text of texts(join(folder, 'home'))) {
      expect(text).not.toContain(TOKENS.compute);
      expect(text).not.toContain('OPENSSH PRIVATE KEY');
    }
    expect(await compute.list('garden', credential())).toMatchObject([{ birth: 'b0123456789', running: true }]);
    await (await open()).destroy(plan.name);
    expect(leftIn(cloud)).toEqual([]);
    expect(cloud.wrong).toEqual([]);
  });

  test('another parent changes a tag, and no machine', { timeout: PULUMI_WITHIN }, async () => {
    await (await open()).up(bodyOf(near()), BINDINGS);
    const adopted = await (await open()).up(bodyOf(near(), { parent: 'b'.repeat(26) }), BINDINGS);
    expect(adopted.changes.filter(({ operation }) => operation !== 'same')).toMatchObject([
      { operation: 'update', name: 'machine' },
    ]);
    expect(cloud.made).toHaveLength(1);
    expect(await compute.list('garden', credential())).toMatchObject([{ parent: 'b'.repeat(26) }]);
  });

  test('a voice has its claim and its address, and nobody elses goes', { timeout: PULUMI_WITHIN }, async () => {
    const dns = { provider: 'digitalocean', credentials: 'env:DO_DNS', endpoint: cloud.url, ttl: '30s' };
    const genome = genomeWith(near(), { dns, zone: ZONE });
    const voice = compile(genome, WHO).find(({ kind }) => kind === 'voice') as StackPlan;
    cloud.domains.records = [{ id: 1, type: 'A', name: 'www', data: '198.51.100.7', ttl: 300 }];
    const values = { address: '192.0.2.9' };
    await (await open(TOKENS.dns, 'digitalocean-dns')).up(voice, { values });
    const made = cloud.domains.records.filter(({ id }) => id !== 1);
    expect(made.length).toBeGreaterThan(1);
    expect(made.filter(({ type }) => type === 'A').every(({ data }) => data === '192.0.2.9')).toBe(true);
    expect(made.some(({ type, data }) => type === 'TXT' && data.includes(WHO.birth))).toBe(true);
    await (await open(TOKENS.dns, 'digitalocean-dns')).destroy(voice.name);
    expect(cloud.domains.records.map(({ id }) => id)).toEqual([1]);
    expect(cloud.wrong).toEqual([]);
  });

  test('a token for records makes no machine', { timeout: PULUMI_WITHIN }, async () => {
    await expect((await open(TOKENS.dns)).up(bodyOf(near()), BINDINGS)).rejects.toMatchObject({
      message: expect.stringContaining('garden-b0123456789'),
      why: expect.stringContaining('not authorized'),
    });
    expect(cloud.made).toEqual([]);
  });

  test('a create whose answer was lost leaves one machine', { timeout: PULUMI_WITHIN }, async () => {
    let lost = 0;
    cloud.trouble = ({ method, path }, then) => {
      if (method !== 'POST' || path !== '/v2/droplets' || lost > 0) return null;
      lost++;
      then();
      return { status: 0, cut: true };
    };
    const { address } = await once(bodyOf(near()));
    // The plugin asked again, as the maker's does, and so two were made.
    expect(cloud.made).toHaveLength(2);
    expect([...cloud.droplets.values()].map(({ networks }) => networks?.ipv4)).toEqual([address]);
    await (await open()).destroy(bodyOf(near()).name);
    expect(leftIn(cloud)).toEqual([]);
  });

  test('429 and 5xx are waited out', { timeout: PULUMI_WITHIN }, async () => {
    let refused = 0;
    cloud.trouble = ({ method }) => {
      if (refused >= 3 || method === 'GET') return null;
      refused++;
      const status = refused === 1 ? 429 : 503;
      return { status, headers: { 'retry-after': '0' }, body: { id: 'too_many_requests', message: 'wait' } };
    };
    await once(bodyOf(near()));
    expect([...cloud.droplets]).toHaveLength(1);
  });

  test('a quota is a reason, and leaves nothing behind once it is given up', { timeout: PULUMI_WITHIN }, async () => {
    cloud.trouble = ({ method, path }) =>
      method === 'POST' && path === '/v2/droplets'
        ? {
            status: 422,
            body: {
              id: 'unprocessable_entity',
              message: 'creating this/these droplet(s) will exceed your droplet limit',
            },
          }
        : null;
    const plan = bodyOf(near());
    await expect(once(plan)).rejects.toMatchObject({ why: expect.stringContaining('exceed your droplet limit') });
    await (await open()).destroy(plan.name);
    expect(leftIn(cloud)).toEqual([]);
  });

  test('a token that was revoked is a reason', { timeout: PULUMI_WITHIN }, async () => {
    const plan = bodyOf(near());
    cloud.trouble = ({ method, path }) => {
      if (method === 'POST' && path === '/v2/droplets') cloud.tokens.delete(TOKENS.compute);
      return null;
    };
    await expect(once(plan)).rejects.toMatchObject({ why: expect.stringContaining('Unable to authenticate') });
    expect(cloud.made).toEqual([]);
    // With a good one again, the same birth goes on.
    cloud.trouble = null;
    letIn(cloud);
    await once(plan, 1);
    expect([...cloud.droplets]).toHaveLength(1);
    await (await open()).destroy(plan.name);
    expect(leftIn(cloud)).toEqual([]);
  });
});

function texts(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [readFileSync(join(entry.parentPath, entry.name), 'utf8')] : [],
  );
}
