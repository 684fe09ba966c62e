/** The provider `cloudflare` as genomes, engines and sweeps see it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cloudflareDns as cloudflareGene } from '../../../genome/dns.ts';
import type { Inputs } from '../../../stacks/handler.ts';
import { recordsHandler } from '../../../stacks/records/cloudflare.handler.ts';
import { cloudflareDns } from '../../../stacks/records/cloudflare.ts';
import { ADDRESSES } from '../../../stacks/records/said.ts';
import { failure } from '../credentials/server.support.ts';
import { type CloudflareStandIn, startCloudflare, ZONE, ZONE_ID } from './cloudflare.support.ts';

const NAME = 'www.garden.test';
let cloudflare: CloudflareStandIn;
beforeEach(async () => {
  cloudflare = await startCloudflare();
  cloudflare.zone.batch({ posts: [{ name: ZONE, type: 'A', content: '203.0.113.1', ttl: 300 }] });
});
afterEach(() => cloudflare.close());

const credential = (token = 'good') => ({
  token,
  endpoint: `${cloudflare.url}/client/v4`,
  zone: ZONE,
  zoneId: ZONE_ID,
});
const untouched = () => [`${ZONE} 300 A 203.0.113.1`];

describe('the provider', () => {
  const gene = (more: object = {}) =>
    cloudflareGene.parse({
      ...{ provider: 'cloudflare', credentials: 'env:CELL_TEST_CF', endpoint: credential().endpoint },
      ...more,
    });
  const inputs: Inputs = { organism: 'garden', birth: 'b1', zone: ZONE, name: NAME, values: ['192.0.2.1'], ttl: 60 };
  const context = () => ({ credential: credential() });
  beforeEach(() => {
    process.env.CELL_TEST_CF = 'good';
  });
  afterEach(() => {
    delete process.env.CELL_TEST_CF;
  });

  test('has one resource for each domain, which the handler takes', () => {
    const need = { organism: 'garden', birth: 'b1', zone: ZONE, domains: [NAME, ZONE, NAME] };
    const resources = cloudflareDns.resources(need, gene({ ttl: '2m' }));
    expect(resources).toEqual([
      { type: 'cell:cloudflare:Records', name: NAME, inputs: { ...inputs, values: ADDRESSES, ttl: 120 } },
      {
        type: 'cell:cloudflare:Records',
        name: ZONE,
        inputs: { ...inputs, name: ZONE, values: ADDRESSES, ttl: 120 },
      },
    ]);
    expect(recordsHandler.check({ ...inputs, ttl: 120 })).toEqual([]);
    expect(
      recordsHandler.check({ ...inputs, ttl: 29, name: 'www.example.org', values: ['x'] }).map(({ key }) => key),
    ).toEqual(['name', 'ttl', 'values']);
  });

  test('finds the id of the zone once, where the token may look it up', async () => {
    expect(await cloudflareDns.credential(gene(), '', { zone: ZONE })).toEqual(credential());
    cloudflare.tokens.set('good', 'records');
    expect(await failure(cloudflareDns.credential(gene(), '', { zone: ZONE }))).toMatchObject({
      message: `Cloudflare has no zone ${ZONE} for this token`,
      why: expect.stringContaining('Zone Read'),
      suggestion: expect.stringContaining('zoneId'),
    });
    const before = cloudflare.asked.length;
    expect(await cloudflareDns.credential(gene({ zoneId: ZONE_ID }), '', { zone: ZONE })).toEqual(credential());
    expect(cloudflare.asked).toHaveLength(before);
  });

  test('says which zone is meant, where one lies around that of the genome', async () => {
    expect(await failure(cloudflareDns.credential(gene(), '', { zone: `lab.${ZONE}` }))).toMatchObject({
      suggestion: expect.stringContaining(`zone: ${ZONE}`),
    });
  });

  test('is examined without changing anything', async () => {
    const need = { organism: 'garden', zone: ZONE, domains: [NAME] };
    expect(await cloudflareDns.examine?.(need, credential())).toBe(
      `the token may change the records of ${ZONE}: ${NAME}`,
    );
    cloudflare.tokens.set('reader', 'read');
    expect(await failure(cloudflareDns.examine!(need, credential('reader')))).toMatchObject({
      message: 'Cloudflare does not let this token do that',
    });
    expect(await failure(cloudflareDns.examine!(need, { ...credential(), zoneId: 'f'.repeat(31) }))).toMatchObject({
      message: 'Cloudflare has no zone of this id',
    });
    expect(cloudflare.zone.dump()).toEqual(untouched());
  });

  test('makes, finds, reads, changes and removes; lists and removes for a sweep', async () => {
    expect(await recordsHandler.find?.(inputs, context())).toBeNull();
    const made = await recordsHandler.create(inputs, context());
    expect(made).toEqual({ id: `garden/b1/${ZONE}/${NAME}`, outputs: inputs });
    expect(await recordsHandler.create(inputs, context())).toEqual(made);
    expect(await recordsHandler.find?.(inputs, context())).toEqual(made);
    const after = { ...inputs, values: ['192.0.2.2'], ttl: 90 };
    expect(await recordsHandler.update(made.id, inputs, after, context())).toEqual({ id: made.id, outputs: after });
    expect(await recordsHandler.read(made.id, after, context())).toEqual({ id: made.id, outputs: after });
    const all = await cloudflareDns.list('garden', credential());
    expect(all).toEqual([{ id: made.id, birth: 'b1', name: NAME, type: 'A', values: ['192.0.2.2'] }]);
    await cloudflareDns.remove(made.id, credential());
    await recordsHandler.delete(made.id, after, context());
    expect(await recordsHandler.read(made.id, after, context())).toBeNull();
    expect(cloudflare.zone.dump()).toEqual(untouched());
  });

  test('without a credential says so', async () => {
    for (const none of [null, {}, { token: 'good' }]) {
      expect(await failure(recordsHandler.create(inputs, { credential: none }))).toMatchObject({ code: 'NOT_ALLOWED' });
    }
  });
});
