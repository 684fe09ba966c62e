/**
 * AWS: a role for the cell through IAM, and sessions of it through STS. A session lasts an hour at most and its holder
 * renews it by itself, for no parent could bring it a new one so often; what the role may do ends with the role's own time,
 * which only who mints can put off.
 *
 *   1 boundary   once an organism, kind and place, by the seeder: what no role of these can go beyond
 *   2 role       by its name: made, or taken up again
 *   3 policy     what the cell may do, until when
 *   4 session    the role taken on
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IAMClient } from '@aws-sdk/client-iam';
import type { STSClient } from '@aws-sdk/client-sts';
import { CellError, messageOf } from '../../src/errors.ts';
import { redact } from '../engines/secrets.ts';
import { refusedCredential } from '../rest.ts';
import type { Json } from '../stack.ts';
import {
  type Account,
  boundaryArn,
  boundaryName,
  boundaryPolicy,
  ORGANISM_TAG,
  pathOf,
  roleName,
  rolePolicy,
  trustPolicy,
} from './aws.policy.ts';
import type { Attenuator, CredentialNeed, Examined, TaggedCredential } from './credential.ts';
import { labelOf, parseLabel } from './label.ts';

/** What AWS allows for a role that is taken on by another role's session. */
const SESSION_S = 3600;
/** IAM tells its other places of a new role within seconds; until then it is refused. */
const SPREADS_MS = 40_000;
const SPREAD_POLL_MS = 2_000;
const POLICY = 'cell';

export interface AwsCredential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Where the API is, when not at its usual place. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Of a session: the role that it is of, and what bounds the roles that it may make. */
  readonly role?: string;
  readonly boundary?: string;
}

/** Throws NOT_ALLOWED where there is none. */
export function awsCredential(credential: Json): AwsCredential {
  const { accessKeyId, secretAccessKey } = (credential ?? {}) as Partial<AwsCredential>;
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') {
    throw new CellError('NOT_ALLOWED', 'This cell has no credential for AWS', {
      why: 'a cell gets one only for what it will do: machines with a budget, records with a domain',
    });
  }
  return credential as unknown as AwsCredential;
}

export const awsAttenuator: Attenuator = {
  provider: 'AWS',

  async attenuate(credential, need, now) {
    const own = awsCredential(credential);
    return asking(own, async () => {
      const { sts, iam } = await clients(own);
      const { account, arn } = await whoAmI(sts);
      const boundary = own.boundary ?? (need.mints ? await ensureBoundary(iam, account, need) : undefined);
      const role = await ensureRole(iam, account, need, { minter: arn, boundary });
      const { PutRolePolicyCommand } = await import('@aws-sdk/client-iam');
      const PolicyDocument = JSON.stringify(rolePolicy(account, need));
      await iam.send(new PutRolePolicyCommand({ RoleName: roleName(need), PolicyName: POLICY, PolicyDocument }));
      const session = await takeOn(sts, role, need.birth);
      const { boundary: _, ...rest } = credential as { readonly [key: string]: Json };
      const kept = need.mints && boundary !== undefined ? { boundary } : {};
      return {
        credential: { ...rest, ...session.keys, ...kept, role },
        until: need.until,
        lapses: session.until ?? now + SESSION_S * 1000,
      };
    });
  },

  async renew(credential, now) {
    const own = awsCredential(credential);
    return asking(own, async () => {
      const { sts } = await clients(own);
      const session = await takeOn(sts, own.role ?? '', 'renewed');
      return {
        credential: { ...(credential as { readonly [key: string]: Json }), ...session.keys },
        lapses: session.until ?? now + SESSION_S * 1000,
      };
    });
  },

  async list(organism, credential) {
    const own = awsCredential(credential);
    return asking(own, async () => {
      const { iam } = await clients(own);
      const { paginateListRoles } = await import('@aws-sdk/client-iam');
      const found: TaggedCredential[] = [];
      for await (const { Roles = [] } of paginateListRoles({ client: iam }, { PathPrefix: pathOf(organism) })) {
        for (const { RoleName: id = '', Description = '' } of Roles) {
          const [label = '', , until = ''] = Description.split(' ');
          const holder = parseLabel(label);
          const at = Date.parse(until);
          if (holder?.organism === organism) found.push({ ...holder, id, until: Number.isFinite(at) ? at : null });
        }
      }
      return found;
    });
  },

  async revoke(id, credential) {
    const own = awsCredential(credential);
    await asking(own, async () => {
      const { iam } = await clients(own);
      const { DeleteRoleCommand, DeleteRolePolicyCommand } = await import('@aws-sdk/client-iam');
      // The policy first: from here on no session of the role may do anything.
      await unlessGone(() => iam.send(new DeleteRolePolicyCommand({ RoleName: id, PolicyName: POLICY })));
      await unlessGone(() => iam.send(new DeleteRoleCommand({ RoleName: id })));
    });
  },

  async forget(organism, credential) {
    const own = awsCredential(credential);
    await asking(own, async () => {
      const { iam } = await clients(own);
      const { DeletePolicyCommand, paginateListPolicies } = await import('@aws-sdk/client-iam');
      const where = { PathPrefix: pathOf(organism), Scope: 'Local' } as const;
      for await (const { Policies = [] } of paginateListPolicies({ client: iam }, where)) {
        for (const { Arn: PolicyArn } of Policies) {
          await dropVersions(iam, PolicyArn ?? '');
          await unlessGone(() => iam.send(new DeletePolicyCommand({ PolicyArn })));
        }
      }
    });
  },
};

/** Who a laptop's keys belong to, and whether they can do what minting takes, as far as that can be asked. */
export async function examineAws(credential: Json, organism: string, mints: boolean): Promise<Examined> {
  const own = awsCredential(credential);
  return asking(own, async () => {
    const { sts, iam } = await clients(own);
    const { arn } = await whoAmI(sts);
    if (/:root$/.test(arn))
      return { found: arn, mend: 'Use a user or a role of its own, never the root of the account.' };
    if (!mints) return { found: arn };
    const { ListRolesCommand } = await import('@aws-sdk/client-iam');
    try {
      await iam.send(new ListRolesCommand({ PathPrefix: pathOf(organism), MaxItems: 1 }));
      return { found: `${arn}, which may look at roles in ${pathOf(organism)}` };
    } catch (error) {
      if (!isDenied(error)) throw error;
      return { found: arn, mend: 'It may not look at roles, so not mint either (`mint: false` does without).' };
    }
  });
}

async function clients(own: AwsCredential): Promise<{ readonly sts: STSClient; readonly iam: IAMClient }> {
  const [{ STSClient: Sts }, { IAMClient: Iam }] = await Promise.all([
    import('@aws-sdk/client-sts'),
    import('@aws-sdk/client-iam'),
  ]);
  const { accessKeyId, secretAccessKey, sessionToken, endpoint, region = 'us-east-1' } = own;
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  const options = { region, credentials, maxAttempts: 4, ...(endpoint === undefined ? {} : { endpoint }) };
  return { sts: new Sts(options), iam: new Iam(options) };
}

async function whoAmI(sts: STSClient): Promise<{ readonly account: Account; readonly arn: string }> {
  const { GetCallerIdentityCommand } = await import('@aws-sdk/client-sts');
  const { Account: id = '', Arn: arn = '' } = await sts.send(new GetCallerIdentityCommand({}));
  return { account: { partition: arn.split(':')[1] ?? 'aws', id }, arn };
}

/** 1: made once; a later genome's replaces what it says. */
async function ensureBoundary(iam: IAMClient, account: Account, need: CredentialNeed): Promise<string> {
  const { CreatePolicyCommand, CreatePolicyVersionCommand } = await import('@aws-sdk/client-iam');
  const PolicyArn = boundaryArn(account, need);
  const PolicyDocument = JSON.stringify(boundaryPolicy(account, need));
  try {
    await iam.send(
      new CreatePolicyCommand({ PolicyName: boundaryName(need), Path: pathOf(need.organism), PolicyDocument }),
    );
  } catch (error) {
    if (!/^EntityAlreadyExists/.test(nameOf(error))) throw error;
    await dropVersions(iam, PolicyArn);
    await iam.send(new CreatePolicyVersionCommand({ PolicyArn, PolicyDocument, SetAsDefault: true }));
  }
  return PolicyArn;
}

/** All but the one in use: a policy has five at most, and is deleted with none beside it. */
async function dropVersions(iam: IAMClient, PolicyArn: string): Promise<void> {
  const { DeletePolicyVersionCommand, ListPolicyVersionsCommand } = await import('@aws-sdk/client-iam');
  const { Versions = [] } = await iam.send(new ListPolicyVersionsCommand({ PolicyArn }));
  for (const { VersionId, IsDefaultVersion } of Versions) {
    if (IsDefaultVersion !== true) await iam.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId }));
  }
}

/** 2: what an attempt that was cut off left is taken up, and says from now on whose it is and until when. */
async function ensureRole(
  iam: IAMClient,
  account: Account,
  need: CredentialNeed,
  { minter, boundary }: { readonly minter: string; readonly boundary: string | undefined },
): Promise<string> {
  const { CreateRoleCommand, GetRoleCommand, UpdateAssumeRolePolicyCommand, UpdateRoleCommand } = await import(
    '@aws-sdk/client-iam'
  );
  const RoleName = roleName(need);
  const trust = JSON.stringify(trustPolicy(account, need, minter));
  const Description = `${labelOf(need)} until ${new Date(need.until).toISOString()}`;
  try {
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName,
        Path: pathOf(need.organism),
        AssumeRolePolicyDocument: trust,
        Description,
        MaxSessionDuration: SESSION_S,
        Tags: [{ Key: ORGANISM_TAG, Value: need.organism }],
        ...(boundary === undefined ? {} : { PermissionsBoundary: boundary }),
      }),
    );
    return Role?.Arn ?? '';
  } catch (error) {
    if (!/^EntityAlreadyExists/.test(nameOf(error))) throw error;
  }
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
  if (Role?.Path !== pathOf(need.organism)) {
    throw new CellError('PROVIDER_REFUSED', `The role ${RoleName} is somebody else's`, {
      why: `it stands in ${Role?.Path ?? 'another path'}`,
    });
  }
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
  await iam.send(new UpdateRoleCommand({ RoleName, Description, MaxSessionDuration: SESSION_S }));
  return Role.Arn ?? '';
}

/** 4: what was made a moment ago may not be known everywhere yet. */
async function takeOn(sts: STSClient, RoleArn: string, RoleSessionName: string) {
  const { AssumeRoleCommand } = await import('@aws-sdk/client-sts');
  for (let waited = 0; ; waited += SPREAD_POLL_MS) {
    try {
      const command = new AssumeRoleCommand({ RoleArn, RoleSessionName, DurationSeconds: SESSION_S });
      const { Credentials: made } = await sts.send(command);
      const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = made ?? {};
      const keys = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
      return { keys, until: made?.Expiration?.getTime() ?? null };
    } catch (error) {
      if (!isDenied(error) || waited >= SPREADS_MS || RoleSessionName === 'renewed') throw error;
      await sleep(SPREAD_POLL_MS);
    }
  }
}

function nameOf(error: unknown): string {
  return (error as { readonly name?: string } | null)?.name ?? '';
}

function isDenied(error: unknown): boolean {
  return /^AccessDenied/.test(nameOf(error));
}

async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!/^NoSuchEntity/.test(nameOf(error))) throw error;
  }
}

/** Does what asks AWS; what its library throws becomes ours, without the keys. */
async function asking<T>(own: AwsCredential, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CellError) throw error;
    throw awsError(error, own);
  }
}

const NOT_TAKEN =
  /^(?:ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidToken|AuthFailure|InvalidAccessKeyId)/;

/** Gives the error that says what AWS's library threw. */
export function awsError(error: unknown, own: AwsCredential): CellError {
  const why = redact(messageOf(error), [own.secretAccessKey, own.sessionToken ?? own.secretAccessKey]).slice(0, 300);
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const fields = { provider: 'AWS', status: status ?? 0, name: nameOf(error) };
  if (NOT_TAKEN.test(nameOf(error))) return refusedCredential('AWS', why, { name: nameOf(error) });
  if (isDenied(error)) {
    return new CellError('PROVIDER_REFUSED', 'AWS does not let this credential do that', {
      why,
      suggestion: 'Its policy does not reach so far: docs/credentials.md has what is needed.',
      fields: { ...fields, status: 403 },
    });
  }
  if (status === undefined) {
    const suggestion = 'Look at its status page and at the network from here; this is tried again by itself.';
    return new CellError('PROVIDER_REFUSED', 'AWS does not answer', { why, suggestion, fields });
  }
  return new CellError('PROVIDER_REFUSED', 'AWS refused', { why: `${nameOf(error)}: ${why}`, fields });
}
