/**
 * What a cell may do at AWS, as IAM policies: pure, and the same to the byte for the same need. Limited by action, by region
 * or zone, by the organism's tag or its names, and by time.
 *
 * A cell's role is `role/cell/ORGANISM/cell.BIRTH.KIND-PLACE`. One that mints may make roles of its own kind and place
 * only, and only behind the same permissions boundary, which allows what such a role allows and no more: so whatever
 * inline policy it writes, authority does not grow.
 */
import type { CredentialNeed, Holder } from './credential.ts';

/** The tag that machines, and what belongs to them, carry (stacks/machines/aws.ts). */
export const ORGANISM_TAG = 'cell:organism';

type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Condition;
}

export interface Policy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

export interface Account {
  /** `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition: string;
  readonly id: string;
}

type Named = Pick<Holder, 'organism' | 'birth' | 'kind' | 'place'>;

/** At most 64 characters: `cell.`, a birth of 11, and a kind and a place of at most 40. */
export function roleName({ birth, kind, place }: Named): string {
  return `cell.${birth}.${kind}-${place}`;
}

export function pathOf(organism: string): string {
  return `/cell/${organism}/`;
}

function roleArn({ partition, id }: Account, named: Named): string {
  return `arn:${partition}:iam::${id}:role${pathOf(named.organism)}${roleName(named)}`;
}

export function boundaryName({ kind, place }: Pick<Holder, 'kind' | 'place'>): string {
  return `cell.${kind}-${place}`;
}

export function boundaryArn({ partition, id }: Account, holder: Pick<Holder, 'organism' | 'kind' | 'place'>): string {
  return `arn:${partition}:iam::${id}:policy${pathOf(holder.organism)}${boundaryName(holder)}`;
}

/** The inline policy of a cell's role. */
export function rolePolicy(account: Account, need: CredentialNeed): Policy {
  const own = roleArn(account, need);
  const until = { DateLessThan: { 'aws:CurrentTime': new Date(need.until).toISOString() } };
  const statements = [...statementsFor(account, need), renewal([own]), ...(need.mints ? minting(account, need) : [])];
  return policy(statements.map((one) => ({ ...one, Condition: { ...one.Condition, ...until } })));
}

/** What no role of this kind and place can go beyond, whatever is written into it. It has no end: roles have. */
export function boundaryPolicy(account: Account, need: CredentialNeed): Policy {
  const anyRole = roleArn(account, { ...need, birth: '*' });
  return policy([...statementsFor(account, need), renewal([anyRole]), ...minting(account, need)]);
}

/** Who may take the role on: whoever minted it, and its own sessions, to renew themselves. */
export function trustPolicy(account: Account, need: Named, minter: string) {
  const principals = [roleArn(account, need), ...principalPatterns(minter)];
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:${account.partition}:iam::${account.id}:root` },
        Action: ['sts:AssumeRole'],
        Condition: { ArnLike: { 'aws:PrincipalArn': [...new Set(principals)].sort() } },
      },
    ],
  };
}

/** A session's ARN does not say the path of its role, which is what a policy asks for. */
function principalPatterns(arn: string): readonly string[] {
  const [, partition, account, name] = /^arn:([^:]+):sts::(\d+):assumed-role\/([^/]+)\//.exec(arn) ?? [];
  if (name === undefined) return [arn];
  const role = `arn:${partition}:iam::${account}:role`;
  return [`${role}/${name}`, `${role}/*/${name}`];
}

function policy(Statement: readonly Statement[]): Policy {
  return { Version: '2012-10-17', Statement };
}

function allow(Sid: string, Action: readonly string[], Resource: readonly string[], Condition?: Condition): Statement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(Condition === undefined ? {} : { Condition }) };
}

function statementsFor(account: Account, need: CredentialNeed): readonly Statement[] {
  return need.kind === 'compute' ? machines(account, need) : records(account, need);
}

/** Looking cannot be limited by resource at EC2; making carries the tag, and all else asks for it. */
function machines({ partition, id }: Account, { organism, region }: CredentialNeed): readonly Statement[] {
  const there = region ?? '*';
  const arn = (what: string) => `arn:${partition}:ec2:${there}:${id}:${what}/*`;
  const inRegion = { StringEquals: { 'aws:RequestedRegion': there } };
  const tagged = { StringEquals: { 'aws:RequestedRegion': there, [`aws:ResourceTag/${ORGANISM_TAG}`]: organism } };
  const tagging = { StringEquals: { 'aws:RequestedRegion': there, [`aws:RequestTag/${ORGANISM_TAG}`]: organism } };
  const makes = ['RunInstances', 'CreateSecurityGroup'];
  return [
    allow('Look', ['ec2:Describe*'], ['*'], inRegion),
    // By this parameter Debian names its newest image, which EC2 reads for whoever makes a machine of it.
    allow('LookUpImage', ['ssm:GetParameters'], [`arn:${partition}:ssm:${there}::parameter/aws/service/debian/*`]),
    allow('Make', ['ec2:RunInstances'], [arn('instance')], tagging),
    allow(
      'MakeOf',
      ['ec2:RunInstances'],
      [
        ...['network-interface', 'security-group', 'subnet', 'volume'].map(arn),
        `arn:${partition}:ec2:${there}::image/*`,
      ],
      inRegion,
    ),
    allow('MakeDoor', ['ec2:CreateSecurityGroup'], [arn('security-group')], tagging),
    allow('MakeDoorIn', ['ec2:CreateSecurityGroup'], [arn('vpc')], inRegion),
    allow('TagWhatIsMade', ['ec2:CreateTags'], [arn('*')], {
      StringEquals: { ...tagging.StringEquals, 'ec2:CreateAction': makes },
    }),
    allow(
      'KeepAndEnd',
      [
        'ec2:AuthorizeSecurityGroupEgress',
        'ec2:AuthorizeSecurityGroupIngress',
        'ec2:CreateTags',
        'ec2:DeleteSecurityGroup',
        'ec2:DeleteTags',
        'ec2:ModifyInstanceAttribute',
        'ec2:ModifyInstanceMetadataOptions',
        'ec2:RevokeSecurityGroupEgress',
        'ec2:RevokeSecurityGroupIngress',
        'ec2:StartInstances',
        'ec2:StopInstances',
        'ec2:TerminateInstances',
      ],
      ['instance', 'network-interface', 'security-group', 'volume'].map(arn),
      tagged,
    ),
  ];
}

/** One zone, the names that the cell speaks for, and the types that it writes. */
function records({ partition }: Account, { zone, zoneId, domains }: CredentialNeed): readonly Statement[] {
  const hosted = [`arn:${partition}:route53:::hostedzone/${zoneId ?? '*'}`];
  const names = [...new Set([...domains.flatMap((name) => [name, `_cell.${name}`]), `_cell.${zone ?? ''}`])].sort();
  return [
    allow('LookAtZone', ['route53:GetHostedZone', 'route53:ListResourceRecordSets'], hosted),
    allow('LookForZone', ['route53:GetChange', 'route53:ListHostedZonesByName'], ['*']),
    allow('Speak', ['route53:ChangeResourceRecordSets'], hosted, {
      'ForAllValues:StringEquals': {
        'route53:ChangeResourceRecordSetsNormalizedRecordNames': names,
        'route53:ChangeResourceRecordSetsRecordTypes': ['A', 'AAAA', 'TXT'],
      },
    }),
  ];
}

/** A session lasts an hour; its holder takes on its own role again before that. */
function renewal(roles: readonly string[]): Statement {
  return allow('Renew', ['sts:AssumeRole'], roles);
}

function minting(account: Account, need: CredentialNeed): readonly Statement[] {
  const roles = [roleArn(account, { ...need, birth: '*' })];
  const behind = { StringEquals: { 'iam:PermissionsBoundary': boundaryArn(account, need) } };
  return [
    allow('Mint', ['iam:CreateRole', 'iam:PutRolePolicy'], roles, behind),
    allow(
      'MintOn',
      [
        'iam:DeleteRole',
        'iam:DeleteRolePolicy',
        'iam:GetRole',
        'iam:TagRole',
        'iam:UpdateAssumeRolePolicy',
        'iam:UpdateRole',
        'sts:AssumeRole',
      ],
      roles,
    ),
    allow('LookAtRoles', ['iam:ListRoles'], ['*']),
  ];
}
