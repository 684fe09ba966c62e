/** A body and a voice at DigitalOcean by the real Pulumi CLI, from the plan to the calls at a stand-in of the API. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compile } from '../../genome/compile.ts';
import { boundAddresses } from '../../stacks/address.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { bodyOf, genomeWith, HOST_KEY, IMPRINT_KEY, WHO } from '../stacks/machines/rented.support.ts';
import { aCloud, BINDINGS, ZONE } from './bench.ts';
import { leftIn, TOKENS } from './cloud.support.ts';
import { settledBy } from './cloud-init.ts';

withPulumi('stacks at DigitalOcean by a real Pulumi CLI', () => {
  const at = aCloud();
  const { near, open, compute, credential } = at;

  test('a body is made, found the same again, and goes without a trace', { timeout: PULUMI_WITHIN }, async () => {
    const plan = bodyOf(near());
    const first = await (await open()).up(plan, BINDINGS);
    expect(first.changes.map(({ operation, name }) => `${operation} ${name}`).sort()).toEqual([
      ...['create firewall', 'create key', 'create machine', 'create tag'],
    ]);
    const [droplet] = [...at.cloud.droplets.values()];
    expect(droplet).toMatchObject({ name: 'garden-b0123456789', region: 'ams3', size: 's-1vcpu-1gb' });
    expect(droplet?.tags).toContain('cell-birth:b0123456789');
    expect(settledBy(droplet?.userData, droplet?.keys ?? [])).toEqual({ hostKey: HOST_KEY, rootKeys: [IMPRINT_KEY] });
    expect(compute.reach(first.outputs)).toMatchObject({ address: droplet?.networks?.ipv4, user: 'root' });
    expect([...at.cloud.firewalls.values()][0]?.tags).toEqual(['cell-birth:b0123456789']);

    const again = await (await open()).up(plan, BINDINGS);
    expect(again.changes.filter(({ operation }) => operation !== 'same')).toEqual([]);
    // What the API shows of it is what was asked for, in other words here and there.
    const seen = await (await open()).refresh(plan.name);
    // How many droplets have the tag is news; none that a firewall is bound to by number are nothing, or an empty list.
    const news = seen.changes.flatMap(({ name, keys }) => (name === 'tag' ? [] : keys));
    expect(news.filter((key) => key !== 'dropletIds')).toEqual([]);
    const after = await (await open()).up(plan, BINDINGS);
    expect(after.changes.filter(({ operation }) => operation !== 'same')).toEqual([]);
    // Neither the token nor the host key lies in the clear on the disk of whoever made it.
    for (const text of texts(join(at.folder, 'home'))) {
      expect(text).not.toContain(TOKENS.compute);
      expect(text).not.toContain('OPENSSH PRIVATE KEY');
    }
    expect(await compute.list('garden', credential())).toMatchObject([{ birth: 'b0123456789', running: true }]);
    await (await open()).destroy(plan.name);
    expect(leftIn(at.cloud)).toEqual([]);
    expect(at.cloud.wrong).toEqual([]);
  });

  test('another parent changes a tag, and no machine', { timeout: PULUMI_WITHIN }, async () => {
    await (await open()).up(bodyOf(near()), BINDINGS);
    const adopted = await (await open()).up(bodyOf(near(), { parent: 'b'.repeat(26) }), BINDINGS);
    expect(adopted.changes.filter(({ operation }) => operation !== 'same')).toMatchObject([
      { operation: 'update', name: 'machine' },
    ]);
    expect(at.cloud.made).toHaveLength(1);
    expect(await compute.list('garden', credential())).toMatchObject([{ parent: 'b'.repeat(26) }]);
  });

  test('a voice has its claim and its address, and nobody elses goes', { timeout: PULUMI_WITHIN }, async () => {
    const dns = { provider: 'digitalocean', credentials: 'env:DO_DNS', endpoint: at.cloud.url, ttl: '30s' };
    const genome = genomeWith(near(), { dns, zone: ZONE });
    const voice = compile(genome, WHO).find(({ kind }) => kind === 'voice') as StackPlan;
    at.cloud.domains.records = [{ id: 1, type: 'A', name: 'www', data: '198.51.100.7', ttl: 300 }];
    const values = boundAddresses({ address: '192.0.2.9', address6: '2001:db8::9' });
    await (await open(TOKENS.dns, 'digitalocean-dns')).up(voice, { values });
    const made = at.cloud.domains.records.filter(({ id }) => id !== 1);
    expect(made.length).toBeGreaterThan(1);
    expect(made.filter(({ type }) => type === 'A').every(({ data }) => data === '192.0.2.9')).toBe(true);
    expect(made.flatMap(({ type, data }) => (type === 'AAAA' ? data : []))).toEqual(['2001:db8::9']);
    expect(made.some(({ type, data }) => type === 'TXT' && data.includes(WHO.birth))).toBe(true);
    await (await open(TOKENS.dns, 'digitalocean-dns')).destroy(voice.name);
    expect(at.cloud.domains.records.map(({ id }) => id)).toEqual([1]);
    expect(at.cloud.wrong).toEqual([]);
  });

  test('a token for records makes no machine', { timeout: PULUMI_WITHIN }, async () => {
    await expect((await open(TOKENS.dns)).up(bodyOf(near()), BINDINGS)).rejects.toMatchObject({
      message: expect.stringContaining('garden-b0123456789'),
      why: expect.stringContaining('not authorized'),
    });
    expect(at.cloud.made).toEqual([]);
  });
});

function texts(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [readFileSync(join(entry.parentPath, entry.name), 'utf8')] : [],
  );
}
