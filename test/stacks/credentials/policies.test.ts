/** What a child is given never exceeds what its parent was given: scopes, tokens and policies, whatever the needs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundaryPolicy, roleName, rolePolicy, trustPolicy } from '../../../stacks/credentials/aws.policy.ts';
import { cloudflareToken } from '../../../stacks/credentials/cloudflare.ts';
import type { CredentialNeed } from '../../../stacks/credentials/credential.ts';
import { labelOf, parseLabel } from '../../../stacks/credentials/label.ts';
import { linodeScopes } from '../../../stacks/credentials/linode.ts';
import { excess, missing, reaches } from '../../../stacks/credentials/scopes.ts';
import { sourcesOf } from '../../../stacks/credentials/sources.ts';
import { allows, type Request } from './iam.support.ts';

const NOW = Date.UTC(2026, 4, 4);
const DAY = 86_400_000;
const ACCOUNT = { partition: 'aws', id: '123456789012' };
const NAMES = ['a.garden.example', 'b.garden.example', 'c.garden.example'];

const name = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/);
const birth = fc.stringMatching(/^b[0-9a-f]{10}$/);

/** A need of a parent, and one of a child of it that is a part of it (as decide/needs.ts has it). */
const pair = fc
  .record({
    organism: name,
    births: fc.tuple(birth, birth),
    kind: fc.constantFrom('compute' as const, 'dns' as const),
    place: name,
    domains: fc.subarray(NAMES, { minLength: 1 }),
    mask: fc.nat(7),
    mints: fc.boolean(),
    earlier: fc.nat(3 * DAY),
  })
  .map(({ organism, births, kind, place, domains, mask, mints, earlier }) => {
    const common = { organism, kind, place, generation: 1, sources: [], zone: 'garden.example', zoneId: 'Z1' };
    const region = kind === 'compute' ? 'eu-central-1' : null;
    const parent: CredentialNeed = { ...common, birth: births[0], mints: true, until: NOW + 7 * DAY, region, domains };
    const less = domains.filter((_, index) => ((mask >> index) & 1) === 1);
    const until = parent.until - earlier;
    const child: CredentialNeed = { ...common, birth: births[1], mints, until, region, domains: less };
    return { parent, child };
  });

/** A request at AWS: of every kind that matters, right and wrong in each part of it. */
function requestFor(need: CredentialNeed): fc.Arbitrary<Request> {
  const { organism, place, kind } = need;
  const role = (who: string, as = `${kind}-${place}`) =>
    `arn:aws:iam::123456789012:role/cell/${organism}/cell.${who}.${as}`;
  const boundary = `arn:aws:iam::123456789012:policy/cell/${organism}/cell.${kind}-${place}`;
  const region = fc.constantFrom('eu-central-1', 'us-east-1');
  return fc
    .record({
      action: fc.constantFrom(
        'ec2:RunInstances',
        'ec2:TerminateInstances',
        'ec2:DescribeInstances',
        'ec2:CreateTags',
        'ec2:CreateSecurityGroup',
        'ec2:CreateVpc',
        'ssm:GetParameters',
        'route53:ChangeResourceRecordSets',
        'route53:ListResourceRecordSets',
        'route53:DeleteHostedZone',
        'iam:CreateRole',
        'iam:PutRolePolicy',
        'iam:DeleteRole',
        'iam:DeleteRolePermissionsBoundary',
        'iam:CreateUser',
        'sts:AssumeRole',
      ),
      region,
      where: region,
      what: fc.constantFrom('instance', 'security-group', 'volume', 'vpc'),
      others: fc.constantFrom<readonly string[]>([], ['iam'], ['ec2'], ['route53']),
      tag: fc.constantFrom(organism, 'other'),
      zone: fc.constantFrom('Z1', 'Z2'),
      names: fc.subarray([...NAMES, 'mail.garden.example', '_cell.a.garden.example']),
      type: fc.constantFrom('A', 'TXT', 'MX'),
      made: fc.constantFrom('RunInstances', 'CreateVpc'),
      bound: fc.constantFrom(boundary, 'arn:aws:iam::aws:policy/AdministratorAccess', undefined),
      to: fc.constantFrom('b0000000000', need.birth, '*'),
      as: fc.constantFrom(`${kind}-${place}`, 'dns-other'),
      at: fc.constantFrom(NOW, NOW + 5 * DAY, NOW + 6.9 * DAY, NOW + 8 * DAY),
    })
    .map((one) => {
      const service = one.action.split(':')[0];
      const resource =
        service === 'iam' || service === 'sts'
          ? role(one.to, one.as)
          : service === 'route53'
            ? `arn:aws:route53:::hostedzone/${one.zone}`
            : `arn:aws:ec2:${one.where}:123456789012:${one.what}/i-1`;
      const context: Record<string, string | readonly string[]> = {
        'aws:CurrentTime': new Date(one.at).toISOString(),
        'aws:RequestedRegion': one.region,
        'aws:ResourceTag/cell:organism': one.tag,
        'aws:RequestTag/cell:organism': one.tag,
        'ec2:CreateAction': one.made,
        'route53:ChangeResourceRecordSetsNormalizedRecordNames': one.names,
        'route53:ChangeResourceRecordSetsRecordTypes': [one.type],
        ...(one.bound === undefined ? {} : { 'iam:PermissionsBoundary': one.bound }),
      };
      return { action: one.action, resource, context };
    });
}

/** A role's own name is its own: apart from that it is compared as if it were the other's. */
function asIf(request: Request, from: string, to: string): Request {
  return { ...request, resource: request.resource.replaceAll(`cell.${from}.`, `cell.${to}.`) };
}

describe('at AWS', () => {
  test('a child may do nothing that its parent may not, nor that the boundary does not let through', () => {
    fc.assert(
      fc.property(
        pair.chain(({ parent, child }) => fc.tuple(fc.constant({ parent, child }), requestFor(child))),
        ([{ parent, child }, request]) => {
          if (!allows(rolePolicy(ACCOUNT, child), request)) return;
          expect(allows(rolePolicy(ACCOUNT, parent), asIf(request, child.birth, parent.birth))).toBe(true);
          expect(allows(boundaryPolicy(ACCOUNT, parent), request)).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('and what it needs it may do', () => {
    const at = { 'aws:CurrentTime': new Date(NOW).toISOString(), 'aws:RequestedRegion': 'eu-central-1' };
    fc.assert(
      fc.property(pair, ({ child }) => {
        const policy = rolePolicy(ACCOUNT, child);
        const own = { 'aws:ResourceTag/cell:organism': child.organism };
        const end: Request = {
          action: 'ec2:TerminateInstances',
          resource: 'arn:aws:ec2:eu-central-1:123456789012:instance/i-1',
          context: { ...at, ...own },
        };
        expect(allows(policy, end)).toBe(child.kind === 'compute');
        expect(
          allows(policy, { ...end, context: { ...end.context, 'aws:ResourceTag/cell:organism': 'another' } }),
        ).toBe(child.kind === 'compute' && child.organism === 'another');
        const speak: Request = {
          action: 'route53:ChangeResourceRecordSets',
          resource: 'arn:aws:route53:::hostedzone/Z1',
          context: {
            ...at,
            'route53:ChangeResourceRecordSetsNormalizedRecordNames': child.domains,
            'route53:ChangeResourceRecordSetsRecordTypes': ['A'],
          },
        };
        expect(allows(policy, speak)).toBe(child.kind === 'dns');
        expect(allows(policy, { ...speak, resource: 'arn:aws:route53:::hostedzone/Z2' })).toBe(false);
      }),
    );
  });

  test('nobody but its minter and itself takes a role on', () => {
    const role = { organism: 'garden', birth: 'b0000000001', kind: 'dns', place: 'dns' } as const;
    const trust = trustPolicy(ACCOUNT, role, 'arn:aws:sts::123456789012:assumed-role/cell.b0000000002.dns-dns/x');
    const may = (principal: string) =>
      allows(trust, { action: 'sts:AssumeRole', resource: '', context: { 'aws:PrincipalArn': principal } });
    expect(may('arn:aws:iam::123456789012:role/cell/garden/cell.b0000000001.dns-dns')).toBe(true);
    expect(may('arn:aws:iam::123456789012:role/cell/garden/cell.b0000000002.dns-dns')).toBe(true);
    expect(may('arn:aws:iam::123456789012:role/cell/garden/cell.b0000000003.dns-dns')).toBe(false);
    expect(may('arn:aws:iam::123456789012:user/somebody')).toBe(false);
    const byUser = trustPolicy(ACCOUNT, role, 'arn:aws:iam::123456789012:user/ops/laptop');
    expect(JSON.stringify(byUser)).toContain('arn:aws:iam::123456789012:user/ops/laptop');
  });

  test('names and policies are within the limits of IAM', () => {
    fc.assert(
      fc.property(pair, ({ parent }) => {
        expect(roleName(parent)).toMatch(/^[\w+=,.@-]{1,64}$/);
        // Inline policies of a role together: 10,240 characters without white space; a managed one: 6,144.
        expect(JSON.stringify(rolePolicy(ACCOUNT, parent)).length).toBeLessThan(10_240);
        expect(JSON.stringify(boundaryPolicy(ACCOUNT, parent)).length).toBeLessThan(6_144);
        expect(rolePolicy(ACCOUNT, parent).Statement.every(({ Sid }) => /^[A-Za-z0-9]+$/.test(Sid))).toBe(true);
      }),
    );
  });
});

test('at Linode a child has no scope that its parent has not', () => {
  const included = (access: string) => (access === 'read_write' ? ['read_only'] : []);
  fc.assert(
    fc.property(pair, ({ parent, child }) => {
      expect(missing(linodeScopes(parent), linodeScopes(child), included)).toEqual([]);
    }),
  );
});

test('at Cloudflare a child’s token has no policy that its parent’s has not, and ends no later', () => {
  const ids = (need: CredentialNeed) => ({
    zone: 'z',
    dnsWrite: 'd',
    minting: need.mints ? { group: 't', user: 'u' } : null,
  });
  fc.assert(
    fc.property(pair, ({ parent, child }) => {
      const [more, less] = [cloudflareToken(parent, ids(parent)), cloudflareToken(child, ids(child))];
      const policies = more.policies.map((one) => JSON.stringify(one));
      expect(less.policies.every((one) => policies.includes(JSON.stringify(one)))).toBe(true);
      expect(Date.parse(less.expires_on)).toBeLessThanOrEqual(Date.parse(more.expires_on));
      expect(less.name.length).toBeLessThanOrEqual(120);
    }),
  );
});

test('scopes reach what they say', () => {
  const included = (access: string) => (access === 'read_write' ? ['read_only'] : []);
  expect(reaches(['linodes:read_write'], 'linodes:read_only', included)).toBe(true);
  expect(reaches(['linodes:read_only'], 'linodes:read_write', included)).toBe(false);
  expect(reaches(['*'], 'account:read_write', included)).toBe(true);
  expect(reaches(['linodes:*'], 'linodes:read_write', included)).toBe(true);
  expect(excess(['linodes:read_write', 'domains:read_only'], ['linodes:read_write'], included)).toEqual([
    'domains:read_only',
  ]);
  expect(excess(['linodes:read_write'], ['linodes:read_only'], included)).toEqual(['linodes:read_write']);
});

test('a label is read back as what it was made of, and fits everywhere', () => {
  const holder = fc.record({
    organism: name,
    birth,
    kind: fc.constantFrom('compute' as const, 'dns' as const),
    place: name,
    generation: fc.integer({ min: 1, max: 9_999_999 }),
  });
  fc.assert(
    fc.property(holder, (one) => {
      expect(parseLabel(labelOf(one))).toEqual(one);
      expect(labelOf(one).length).toBeLessThanOrEqual(98);
    }),
  );
  for (const other of ['', 'by hand', 'cell.garden.b0123456789.compute-near', 'cell.Garden.b0123456789.dns-x.1']) {
    expect(parseLabel(other)).toBeNull();
  }
});

describe('where a cell asks from', () => {
  test.each([
    ['203.0.113.7', ['203.0.113.7'], ['203.0.113.7/32']],
    ['203.0.113.7', ['10.0.0.4', 'fe80::1'], ['203.0.113.7/32']],
    ['203.0.113.7', ['203.0.113.7', '2a01:7e01::f03c:95ff:fe11:1'], ['203.0.113.7/32', '2a01:7e01::/64']],
    ['2a01:7e01:1:2:3:4:5:6', ['2a01:7e01:1:2:3:4:5:6', 'fd00::1'], ['2a01:7e01:1:2::/64']],
    // Reached by IPv6, and what its private IPv4 address becomes on the way out is not known.
    ['2a01:7e01:1:2:3:4:5:6', ['10.0.0.4'], []],
    ['10.0.0.4', ['10.0.0.4'], []],
    ['192.168.7.7', ['203.0.113.7'], []],
    ['garden.example', ['203.0.113.7'], []],
    ['127.77.0.1', [], []],
  ])('reached at %s, with the addresses %j: %j', (reachedAt, interfaces, expected) => {
    expect(sourcesOf(reachedAt, interfaces)).toEqual(expected);
  });
});
