import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  DIGITALOCEAN_SCOPES,
  examineDigitalOcean,
  probes,
  provenScopes,
} from '../../../stacks/credentials/digitalocean.ts';
import { isRefusedCredential } from '../../../stacks/rest.ts';
import { operationOf, wrongRequest } from '../../specs/digitalocean.support.ts';
import { type DigitalOceanStandIn, startDigitalOcean } from './digitalocean.support.ts';
import { failure } from './server.support.ts';

let ocean: DigitalOceanStandIn;
beforeEach(async () => {
  ocean = await startDigitalOcean();
});
afterEach(async () => {
  // Whatever a test asked, its answers were DigitalOcean's, and nothing was made.
  expect(ocean.wrong).toEqual([]);
  expect(ocean.happened).toEqual([]);
  await ocean.close();
});

const credential = (scopes: readonly string[]) => {
  ocean.tokens.set('dop_v1_test', scopes);
  return { token: 'dop_v1_test', endpoint: ocean.url };
};

test('each probe asks for the scope that it is to prove, as the document has it, and makes nothing', () => {
  for (const { scope, method, path, body } of probes('0123456789ab')) {
    const plain = path.split('?')[0] as string;
    const scopes = operationOf(method, plain)?.scopes.flat() ?? [];
    expect([path, scopes.includes(scope)]).toEqual([path, true]);
    // Nothing can be made of these: the document itself refuses them, or they are of a tag that nothing has.
    if (method === 'POST' && !path.includes('tag_name=')) expect(wrongRequest(method, plain, body)).not.toBeNull();
  }
});

test('what a token may do is proved, scope by scope', async () => {
  for (const scope of [...DIGITALOCEAN_SCOPES.compute, ...DIGITALOCEAN_SCOPES.dns]) {
    const proven = await provenScopes(credential([scope]));
    // Sizes are of regions, and looking at them takes both scopes.
    const probed = probes('').some((probe) => probe.scope === scope) && scope !== 'sizes:read';
    expect(proven).toEqual(probed ? [scope] : []);
  }
  expect(await provenScopes(credential(['regions:read', 'sizes:read']))).toEqual(['regions:read', 'sizes:read']);
  expect(await provenScopes(credential(['*']))).toEqual(probes('').map(({ scope }) => scope));
});

test('a laptop is told what its tokens lack, and what they have too much of', async () => {
  const { compute, dns } = DIGITALOCEAN_SCOPES;
  expect((await examineDigitalOcean(credential(compute), 'compute')).mend).toBeUndefined();
  expect((await examineDigitalOcean(credential(dns), 'dns')).mend).toBeUndefined();

  const both = credential([...compute, ...dns]);
  expect((await examineDigitalOcean(both, 'compute')).mend).toMatch(
    /^It has too many scopes: domain:read domain:update\./,
  );
  expect((await examineDigitalOcean(both, 'dns')).mend).toMatch(/too many scopes: droplet:create droplet:delete/);
  expect((await examineDigitalOcean(credential(['*']), 'compute')).mend).toMatch(
    /too many scopes: account:read domain:create domain:delete domain:read domain:update image:create/,
  );
  const without = compute.filter((scope) => scope !== 'firewall:create');
  expect((await examineDigitalOcean(credential(without), 'compute')).mend).toBe('It lacks firewall:create.');
  expect((await examineDigitalOcean(credential([]), 'dns')).mend).toBe('It lacks domain:read domain:update.');
});

test('a token that is gone is said to be gone', async () => {
  const gone = { token: 'dop_v1_gone', endpoint: `${ocean.url}/v2` };
  expect(isRefusedCredential(await failure(examineDigitalOcean(gone, 'dns')))).toBe(true);
});
