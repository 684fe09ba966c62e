import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CellError } from '../../../src/errors.ts';
import { cloudflareAttenuator, examineCloudflare } from '../../../stacks/credentials/cloudflare.ts';
import type { CredentialNeed } from '../../../stacks/credentials/credential.ts';
import { labelOf } from '../../../stacks/credentials/label.ts';
import { isRefusedCredential } from '../../../stacks/rest.ts';
import type { Json } from '../../../stacks/stack.ts';
import { type CloudflareStandIn, OTHER_ZONE_ID, startCloudflare, USER, ZONE_ID } from './cloudflare.support.ts';
import { failure } from './server.support.ts';

const NOW = Date.UTC(2026, 4, 4, 12, 0, 0);
const DAY = 86_400_000;
const ZONE = 'com.cloudflare.api.account.zone';

let cloudflare: CloudflareStandIn;
beforeEach(async () => {
  cloudflare = await startCloudflare(NOW);
});
afterEach(() => cloudflare.close());

const credential = (token: string): Json => ({ token, endpoint: `${cloudflare.url}/client/v4` });
const seeder = () =>
  credential(
    cloudflare.grant([
      { names: ['API Tokens Write'], resources: [USER] },
      { names: ['DNS Write', 'Zone Read'], resources: [`${ZONE}.${ZONE_ID}`, `${ZONE}.${OTHER_ZONE_ID}`] },
    ]),
  );
const need = (more: Partial<CredentialNeed> = {}): CredentialNeed => ({
  organism: 'garden',
  birth: 'b0123456789',
  kind: 'dns',
  place: 'dns',
  generation: 1,
  mints: false,
  until: NOW + 7 * DAY,
  sources: [],
  region: null,
  zone: 'garden.example',
  domains: ['www.garden.example'],
  ...more,
});
/** Does something with a token, as its holder would. */
async function use(json: Json, method: string, path: string): Promise<number> {
  const { token } = json as { readonly token: string };
  const response = await fetch(`${cloudflare.url}/client/v4${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
  });
  return response.status;
}

describe('a token of Cloudflare for a cell', () => {
  test('is minted for the records of one zone, with an end, and refused beyond', async () => {
    const { credential: made, until } = await cloudflareAttenuator.attenuate(seeder(), need(), NOW);
    expect(until).toBe(NOW + 7 * DAY);
    expect(cloudflare.tokens.at(-1)).toMatchObject({
      name: 'cell.garden.b0123456789.dns-dns.1',
      expires_on: '2026-05-11T12:00:00Z',
      policies: [
        { effect: 'allow', resources: { [`${ZONE}.${ZONE_ID}`]: '*' }, permission_groups: [{ name: 'DNS Write' }] },
      ],
    });
    expect(cloudflare.tokens.at(-1)?.condition).toBeUndefined();
    expect(made).toMatchObject({ zoneId: ZONE_ID });
    expect(await use(made, 'POST', `/zones/${ZONE_ID}/dns_records`)).toBe(200);
    expect(await use(made, 'POST', `/zones/${OTHER_ZONE_ID}/dns_records`)).toBe(403);
    expect(await use(made, 'GET', '/user/tokens')).toBe(403);
    const error = await failure<CellError>(cloudflareAttenuator.attenuate(made, need({ generation: 2 }), NOW));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { status: 403 } });
    cloudflare.now = NOW + 7 * DAY;
    expect(await use(made, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(403);
  });

  test('is of no use elsewhere where the cell’s networks are known', async () => {
    const sources = ['203.0.113.7/32', '2001:db8:1:2::/64'];
    const { credential: made } = await cloudflareAttenuator.attenuate(seeder(), need({ sources }), NOW);
    expect(await use(made, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(403);
    for (const from of ['203.0.113.7', '2001:db8:1:2:a::1']) {
      cloudflare.from = from;
      expect(await use(made, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(200);
    }
    cloudflare.from = '203.0.113.8';
    const error = await failure<CellError>(cloudflareAttenuator.list('garden', made));
    expect(isRefusedCredential(error)).toBe(false);
    expect(error.why).toMatch(/from location/);
  });

  test('mints for its own children when it is to', async () => {
    const parent = await cloudflareAttenuator.attenuate(seeder(), need({ mints: true }), NOW);
    const child = await cloudflareAttenuator.attenuate(parent.credential, need({ birth: 'b9876543210' }), NOW);
    expect(await use(child.credential, 'POST', `/zones/${ZONE_ID}/dns_records`)).toBe(200);
    expect(await use(child.credential, 'GET', '/user/tokens')).toBe(403);
    // And the next, with the right to mint: the user stands in the parent's own policy.
    const heir = await cloudflareAttenuator.attenuate(parent.credential, need({ generation: 2, mints: true }), NOW);
    expect(await use(heir.credential, 'GET', '/user/tokens')).toBe(200);
  });

  test('is replaced by a retry, also when the answer to the first was lost', async () => {
    const own = seeder();
    let lost = 0;
    cloudflare.trouble = ({ method, path }) => {
      if (method !== 'POST' || path !== '/client/v4/user/tokens' || lost++ > 0) return null;
      cloudflare.tokens.push({
        ...cloudflare.tokens[0]!,
        id: 'c'.repeat(32),
        name: labelOf(need()),
        value: 'nobody has it',
      });
      return { status: 0, cut: true };
    };
    expect(await failure(cloudflareAttenuator.attenuate(own, need(), NOW))).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'Cloudflare does not answer',
    });
    expect(lost).toBe(1);
    await cloudflareAttenuator.attenuate(own, need(), NOW);
    const ours = cloudflare.tokens.filter(({ name }) => name === labelOf(need()));
    expect(ours).toHaveLength(1);
    expect(ours[0]?.value).not.toBe('nobody has it');
  });

  test('is listed beyond the first page, rotated, and revoked', async () => {
    const own = seeder();
    for (let count = 0; count < 60; count++)
      cloudflare.grant([{ names: ['DNS Read'], resources: [`${ZONE}.${ZONE_ID}`] }]);
    const first = await cloudflareAttenuator.attenuate(own, need(), NOW);
    const second = await cloudflareAttenuator.attenuate(own, need({ generation: 2, until: NOW + 9 * DAY }), NOW);
    const listed = await cloudflareAttenuator.list('garden', own);
    expect(listed.map(({ generation, until }) => [generation, until])).toEqual([
      [1, NOW + 7 * DAY],
      [2, NOW + 9 * DAY],
    ]);
    for (const { credential: one } of [first, second])
      expect(await use(one, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(200);
    await cloudflareAttenuator.revoke(listed[0]!.id, own);
    await cloudflareAttenuator.revoke(listed[0]!.id, own);
    expect(await use(first.credential, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(403);
    expect(await use(second.credential, 'GET', `/zones/${ZONE_ID}/dns_records`)).toBe(200);
  });

  test('that is gone is said to be gone, and never shown', async () => {
    const own = seeder() as { readonly token: string };
    cloudflare.tokens.length = 0;
    const error = await failure<CellError>(cloudflareAttenuator.list('garden', own as never));
    expect(isRefusedCredential(error)).toBe(true);
    cloudflare.trouble = ({ token }) => ({
      status: 400,
      body: { success: false, errors: [{ code: 1, message: token }] },
    });
    const told = await failure<CellError>(cloudflareAttenuator.list('garden', own as never));
    expect(told.why).toContain('[secret]');
    expect(JSON.stringify([told.message, told.why, told.fields])).not.toContain(own.token);
  });
});

test('a laptop is told what its token lacks, and what it has too much of', async () => {
  const look = (names: readonly string[], zones: readonly string[], tokens: readonly string[], mints = true) => {
    const policies = [
      { names, resources: zones.map((id) => `${ZONE}.${id}`) },
      ...(tokens.length > 0 ? [{ names: tokens, resources: [USER] }] : []),
    ];
    return examineCloudflare(credential(cloudflare.grant(policies)), 'garden.example', mints);
  };
  expect(await look(['DNS Write', 'Zone Read'], [ZONE_ID], ['API Tokens Write'])).toEqual({
    found: 'a token with DNS Write, Zone Read, API Tokens Write without an end',
  });
  expect((await look(['DNS Write', 'Zone Read'], [ZONE_ID], [])).mend).toMatch(/^It lacks API Tokens Write/);
  expect(await look(['DNS Write'], [ZONE_ID], [], false)).toEqual({
    found: 'a token for garden.example without an end',
  });
  expect((await look(['DNS Read', 'Zone Read'], [ZONE_ID], ['API Tokens Write'])).mend).toBe('It lacks DNS Write.');
  expect((await look(['DNS Write', 'Zone Read'], [ZONE_ID, OTHER_ZONE_ID], ['API Tokens Write'])).mend).toBe(
    'It may do more than it has to: zones beside garden.example.',
  );
  const other = await failure<CellError>(look(['DNS Write'], [OTHER_ZONE_ID], ['API Tokens Write']));
  expect(other.message).toBe('Cloudflare has no zone garden.example for this token');
});
