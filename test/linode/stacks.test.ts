/**
 * A body and a voice at Linode by the real Pulumi CLI and the maker's own plugin, from the plan to the calls at a stand-in of
 * the API. Where the plugin is not on PATH there is none in its place: the run says so.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compile } from '../../genome/compile.ts';
import { boundAddresses } from '../../stacks/address.ts';
import { linodeScopes } from '../../stacks/credentials/linode.ts';
import type { Engine, StackResult } from '../../stacks/engines/engine.ts';
import { engine } from '../../stacks/engines/index.ts';
import { findTool } from '../../stacks/engines/pulumi.find.ts';
import { computeProvider } from '../../stacks/machines/index.ts';
import { dnsProvider } from '../../stacks/records/index.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { toolOf } from '../../stacks/tools.ts';
import { settledBy } from '../digitalocean/cloud-init.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { bodyOf, genomeWith, HOST_KEY, IMPRINT_KEY, linode, WHO } from '../stacks/machines/rented.support.ts';
import { type Cloud, startCloud } from './cloud.ts';

const BINDINGS = { values: { imprintKey: IMPRINT_KEY }, secrets: { hostKey: HOST_KEY } };
const ZONE = 'garden.example.org';
const TOKENS = { compute: 'for-machines', dns: 'for-records' } as const;

const { file, version } = toolOf('linode');
const lacking = findTool(file, version) === null;
if (lacking) process.stderr.write(`NOT RUN: stacks at Linode. Its own plugin ${file} is not on PATH\n`);

withPulumi('stacks at Linode by a real Pulumi CLI', () => {
  describe.skipIf(lacking)("and the maker's own plugin", () => {
    let folder: string;
    let cloud: Cloud;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'cell-linode-'));
      cloud = await startCloud(ZONE);
      for (const kind of ['compute', 'dns'] as const)
        cloud.tokens.set(TOKENS[kind], linodeScopes({ kind, mints: false }));
      // The plugin asks how it goes each 4 s; it has a setting for that.
      process.env.LINODE_EVENT_POLL_MS = '200';
    });
    afterEach(async () => {
      delete process.env.LINODE_EVENT_POLL_MS;
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const open = (name: string, token: string): Promise<Engine> =>
      engine('pulumi', { home: join(folder, 'home'), credentials: { [name]: { token } } });
    const differing = ({ changes }: StackResult) => changes.filter(({ operation }) => operation !== 'same');

    test.each([
      ['', 'its usual version'],
      ['/v4', 'the version that is said with it'],
    ])(
      'a body is made at URL%s (%s), found the same again, and goes',
      {
        timeout: PULUMI_WITHIN,
      },
      async (path) => {
        const compute = computeProvider('linode');
        const near = linode({ endpoint: `${cloud.url}${path}` });
        const credential = { token: TOKENS.compute, endpoint: `${cloud.url}${path}` };
        const plan = bodyOf(near);
        const pulumi = await open('linode/near', TOKENS.compute);
        const first = await pulumi.up(plan, BINDINGS);
        expect(first.changes.map(({ operation, name }) => `${operation} ${name}`).sort()).toEqual([
          ...['create firewall', 'create machine'],
        ]);
        const [instance] = [...cloud.instances.values()];
        expect(instance).toMatchObject({ label: 'garden-b0123456789', region: 'eu-central', type: 'g6-nanode-1' });
        expect(instance?.tags).toContain('cell-birth:b0123456789');
        expect(settledBy(instance?.userData, [])).toEqual({ hostKey: HOST_KEY, rootKeys: [IMPRINT_KEY] });
        const [firewall] = [...cloud.firewalls.values()];
        expect(firewall?.instances).toEqual([instance?.id]);
        expect(firewall?.rules).toMatchObject({ inbound_policy: 'DROP', outbound_policy: 'ACCEPT' });
        expect(compute.reach(first.outputs)).toMatchObject({ address: expect.stringMatching(/^192\.0\.2\./) });

        expect(differing(await pulumi.up(plan, BINDINGS))).toEqual([]);
        // The firewall was made before there was a machine behind it.
        const seen = differing(await pulumi.refresh(plan.name));
        expect(seen).toMatchObject([{ name: 'firewall', keys: ['devices', 'linodes'] }]);
        expect(differing(await pulumi.up(plan, BINDINGS))).toEqual([]);
        expect(await compute.list('garden', credential)).toMatchObject([{ birth: 'b0123456789', running: true }]);

        const adopted = await pulumi.up(bodyOf(near, { parent: 'b'.repeat(26) }), BINDINGS);
        expect(differing(adopted).map(({ operation }) => operation)).toEqual(['update', 'update']);
        expect(await compute.list('garden', credential)).toMatchObject([{ parent: 'b'.repeat(26) }]);
        expect(cloud.made).toHaveLength(1);

        await pulumi.destroy(plan.name);
        expect([...cloud.instances.keys(), ...cloud.firewalls.keys()]).toEqual([]);
        expect(cloud.wrong).toEqual([]);
      },
    );

    test('a voice has its claim and its addresses, and nobody elses goes', { timeout: PULUMI_WITHIN }, async () => {
      const dns = { provider: 'linode', credentials: 'env:T', endpoint: cloud.url, ttl: '30s' };
      const genome = genomeWith(linode({ endpoint: cloud.url }), { dns, zone: ZONE });
      const plan = compile(genome, WHO).find(({ kind }) => kind === 'voice') as StackPlan;
      const foreign = { id: 1, type: 'A', name: 'www', target: '198.51.100.7', ttl_sec: 300 };
      cloud.domains.records = [foreign];
      const credential = { token: TOKENS.dns, endpoint: cloud.url, zone: ZONE, domainId: cloud.domains.id };
      const values = {
        ...boundAddresses({ address: '192.0.2.9', address6: '2001:db8::9' }),
        ...dnsProvider('linode').values?.(credential),
      };
      const pulumi = await open('linode-dns', TOKENS.dns);
      await pulumi.up(plan, { values });
      const made = cloud.domains.records.filter(({ id }) => id !== 1);
      expect(made.map(({ type }) => type).sort()).toEqual(['A', 'AAAA', 'TXT']);
      expect(made.flatMap(({ type, target }) => (type === 'TXT' ? [] : [target])).sort()).toEqual([
        ...['192.0.2.9', '2001:db8::9'],
      ]);
      expect(made.some(({ type, target }) => type === 'TXT' && target.includes(WHO.birth))).toBe(true);
      expect(differing(await pulumi.up(plan, { values }))).toEqual([]);
      expect(differing(await pulumi.refresh(plan.name))).toEqual([]);
      expect(differing(await pulumi.up(plan, { values }))).toEqual([]);
      await pulumi.destroy(plan.name);
      expect(cloud.domains.records).toEqual([foreign]);
      expect(cloud.wrong).toEqual([]);
    });

    test('a token for records makes no machine', { timeout: PULUMI_WITHIN }, async () => {
      const pulumi = await open('linode/near', TOKENS.dns);
      await expect(pulumi.up(bodyOf(linode({ endpoint: cloud.url })), BINDINGS)).rejects.toMatchObject({
        why: expect.stringContaining('not authorized'),
      });
      expect(cloud.made).toEqual([]);
    });
  });
});
