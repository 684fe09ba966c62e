import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CellError } from '../../../src/errors.ts';
import { type AwsCredential, awsAttenuator, examineAws } from '../../../stacks/credentials/aws.ts';
import type { CredentialNeed, Minted } from '../../../stacks/credentials/credential.ts';
import { isRefusedCredential } from '../../../stacks/rest.ts';
import type { Json } from '../../../stacks/stack.ts';
import { ACCOUNT, type Aws, lacksMoto, signature, startAws } from './moto.support.ts';
import { failure } from './server.support.ts';

const NOW = Date.UTC(2026, 4, 4, 12, 0, 0);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ZONE = 'Z0123456789ABC';

describe.skipIf(lacksMoto())('a role of AWS for a cell', () => {
  let aws: Aws;
  /** A birth of its own for each test, for moto is started once. */
  let births = 0;
  const birth = () => `b${String(++births).padStart(10, '0')}`;
  beforeAll(async () => {
    aws = await startAws(NOW);
  }, 60_000);
  afterAll(() => aws.close());
  beforeEach(() => {
    aws.now = NOW;
    aws.seederPolicy = null;
  });

  const seeder = (): Json => ({ ...aws.seeder, region: 'eu-central-1' });
  const need = (more: Partial<CredentialNeed> = {}): CredentialNeed => ({
    organism: 'garden',
    birth: birth(),
    kind: 'compute',
    place: 'near',
    generation: 1,
    mints: false,
    until: NOW + 7 * DAY,
    sources: [],
    region: 'eu-central-1',
    zone: null,
    domains: [],
    ...more,
  });
  const mint = (wanted: CredentialNeed, by: Json = seeder()): Promise<Minted> =>
    awsAttenuator.attenuate(by, wanted, aws.now);

  /** Does something with a session, as its holder would; gives the status and what was made. */
  async function use(
    json: Json,
    service: string,
    params: Readonly<Record<string, string>>,
    region = 'eu-central-1',
  ): Promise<{ status: number; text: string }> {
    const { accessKeyId, sessionToken = '' } = json as unknown as AwsCredential;
    const headers = { authorization: signature(accessKeyId, service, region), 'x-amz-security-token': sessionToken };
    const answer = await fetch(aws.url, { method: 'POST', headers, body: new URLSearchParams(params) });
    return { status: answer.status, text: await answer.text() };
  }
  const run = (organism: string | null, json: Json, region?: string) => {
    const tag = { 'TagSpecification.1.Tag.1.Key': 'cell:organism', 'TagSpecification.1.Tag.1.Value': organism ?? '' };
    const machine = {
      Action: 'RunInstances',
      ImageId: 'ami-03cf127a',
      MinCount: '1',
      MaxCount: '1',
      InstanceType: 't3.micro',
    };
    const type = { 'TagSpecification.1.ResourceType': 'instance' };
    return use(json, 'ec2', { ...machine, ...(organism === null ? {} : { ...type, ...tag }) }, region);
  };
  const idIn = (text: string) => /<instanceId>([^<]*)</.exec(text)?.[1] ?? '';
  const change = async (json: Json, name: string, type = 'A', zone = ZONE) => {
    const { accessKeyId, sessionToken = '' } = json as unknown as AwsCredential;
    const headers = {
      authorization: signature(accessKeyId, 'route53', 'us-east-1'),
      'x-amz-security-token': sessionToken,
    };
    const body = `<Change><Name>${name}.</Name><Type>${type}</Type></Change>`;
    const answer = await fetch(`${aws.url}/2013-04-01/hostedzone/${zone}/rrset/`, { method: 'POST', headers, body });
    return answer.status;
  };

  test('makes and ends machines of its organism in its region, and nothing else', async () => {
    const { credential: made, until, lapses } = await mint(need());
    expect([until, lapses]).toEqual([NOW + 7 * DAY, NOW + HOUR]);
    const own = await run('garden', made);
    expect(own.status).toBe(200);
    expect((await run(null, made)).status).toBe(403);
    expect((await run('other', made)).status).toBe(403);
    expect((await run('garden', made, 'us-east-1')).status).toBe(403);
    expect((await use(made, 'ec2', { Action: 'DescribeInstances' })).status).toBe(200);
    expect((await use(made, 'ec2', { Action: 'DescribeInstances' }, 'us-east-1')).status).toBe(403);
    expect((await use(made, 'ec2', { Action: 'CreateVpc', CidrBlock: '10.0.0.0/16' })).status).toBe(403);

    const foreign = await run('other', seeder());
    const end = (id: string) => use(made, 'ec2', { Action: 'TerminateInstances', 'InstanceId.1': id });
    expect((await end(idIn(foreign.text))).status).toBe(403);
    expect((await end(idIn(own.text))).status).toBe(200);
    expect(await change(made, 'www.garden.example')).toBe(403);
  });

  test('speaks for its own names in its own zone, and nothing else', async () => {
    const zone = { kind: 'dns', place: 'dns', region: null, zone: 'garden.example', zoneId: ZONE } as const;
    const { credential: made } = await mint(need({ ...zone, domains: ['www.garden.example'] }));
    // moto has no such zone and says so in ways of its own: that it is asked at all is what the gate lets through.
    for (const name of ['www.garden.example', '_cell.www.garden.example', '_cell.garden.example']) {
      expect([name, await change(made, name)]).not.toEqual([name, 403]);
    }
    expect(await change(made, 'mail.garden.example')).toBe(403);
    expect(await change(made, 'www.garden.example', 'MX')).toBe(403);
    expect(await change(made, 'www.garden.example', 'A', 'ZOTHER')).toBe(403);
    expect((await run('garden', made)).status).toBe(403);
  });

  test('mints for its children and never more than it has, whatever it asks for', async () => {
    const parent = await mint(need({ mints: true }));
    const wanted = need();
    const child = await mint(wanted, parent.credential);
    expect((await run('garden', child.credential)).status).toBe(200);
    // The child mints nothing: not for others, nor more for itself.
    expect(await failure(mint(need(), child.credential))).toMatchObject({ fields: { status: 403 } });

    const { IAMClient, CreateRoleCommand, PutRolePolicyCommand } = await import('@aws-sdk/client-iam');
    const { accessKeyId, secretAccessKey, sessionToken = '' } = parent.credential as unknown as AwsCredential;
    const credentials = { accessKeyId, secretAccessKey, sessionToken };
    const iam = new IAMClient({ region: 'us-east-1', endpoint: aws.url, credentials });
    const everything = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    });
    const made = (RoleName: string, Path = '/cell/garden/') =>
      iam.send(new CreateRoleCommand({ RoleName, Path, AssumeRolePolicyDocument: everything }));
    const name = `cell.${birth()}.compute-near`;
    // Without what bounds it, elsewhere, or of another kind: refused.
    expect(await failure(made(name))).toMatchObject({ name: 'AccessDenied' });
    expect(await failure(made(name, '/'))).toMatchObject({ name: 'AccessDenied' });
    expect(await failure(made(`cell.${birth()}.dns-dns`))).toMatchObject({ name: 'AccessDenied' });
    // Everything, written into a role behind the boundary, is no more than the boundary.
    const RoleName = `cell.${wanted.birth}.compute-near`;
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'cell', PolicyDocument: everything }));
    expect((await run('garden', child.credential)).status).toBe(200);
    expect((await run('garden', child.credential, 'us-east-1')).status).toBe(403);
    expect(await change(child.credential, 'www.garden.example')).toBe(403);
  });

  test('is one role however often it is asked for, and a role of somebody else is refused', async () => {
    const wanted = need();
    await mint(wanted);
    const { credential: made } = await mint({ ...wanted, generation: 2, until: NOW + 9 * DAY });
    expect((await run('garden', made)).status).toBe(200);
    const listed = (await awsAttenuator.list('garden', seeder())).filter((one) => one.birth === wanted.birth);
    expect(listed).toEqual([
      {
        organism: 'garden',
        birth: wanted.birth,
        kind: 'compute',
        place: 'near',
        generation: 2,
        id: `cell.${wanted.birth}.compute-near`,
        until: NOW + 9 * DAY,
      },
    ]);
    const other = need();
    const RoleName = `cell.${other.birth}.compute-near`;
    await aws.admin('iam', { Action: 'CreateRole', RoleName, AssumeRolePolicyDocument: '{}' });
    expect((await failure<CellError>(mint(other))).message).toBe(`The role ${RoleName} is somebody else's`);
  });

  test('is renewed by its holder before the hour is over, and no more after it', async () => {
    const { credential: first } = await mint(need());
    aws.now = NOW + 50 * 60_000;
    const { credential: second, lapses } = await awsAttenuator.renew!(first, aws.now);
    expect(lapses).toBe(aws.now + HOUR);
    aws.now = NOW + HOUR;
    expect((await run('garden', first)).text).toContain('ExpiredToken');
    expect((await run('garden', second)).status).toBe(200);
    expect(isRefusedCredential(await failure(awsAttenuator.renew!(first, aws.now)))).toBe(true);
  });

  test('ends with its own time, which its holder cannot put off; who minted it can', async () => {
    const wanted = need({ until: NOW + 30 * 60_000 });
    const { credential: made } = await mint(wanted);
    aws.now = NOW + 30 * 60_000;
    expect((await run('garden', made)).status).toBe(403);
    expect((await failure<CellError>(awsAttenuator.renew!(made, aws.now))).fields.status).toBe(403);
    await mint({ ...wanted, generation: 2, until: NOW + DAY });
    expect((await run('garden', made)).status).toBe(200);
  });

  test('is revoked at once, with every session of it', async () => {
    const wanted = need();
    const { credential: made } = await mint(wanted);
    const { credential: renewed } = await awsAttenuator.renew!(made, aws.now);
    const id = `cell.${wanted.birth}.compute-near`;
    await awsAttenuator.revoke(id, seeder());
    await awsAttenuator.revoke(id, seeder());
    for (const one of [made, renewed]) expect((await run('garden', one)).status).toBe(403);
    expect((await awsAttenuator.list('garden', seeder())).some((one) => one.birth === wanted.birth)).toBe(false);
    const error = await failure<CellError>(awsAttenuator.renew!(made, aws.now));
    expect(isRefusedCredential(error)).toBe(true);
    expect(JSON.stringify([error.message, error.why, error.fields])).not.toContain(
      (made as { sessionToken?: string }).sessionToken,
    );
  });

  test('and what the document says is enough for a seeder, with nothing left when it is done', async () => {
    const doc = readFileSync(join(import.meta.dirname, '../../../docs/credentials.md'), 'utf8');
    const [, block = ''] = /```json\n(\{\s*"Version"[\s\S]*?)\n```/.exec(doc) ?? [];
    aws.seederPolicy = JSON.parse(block);
    const wanted = need({ mints: true });
    await mint(wanted);
    await mint({ ...wanted, generation: 2 });
    expect((await examineAws(seeder(), 'garden', true)).mend).toBeUndefined();
    for (const { id } of await awsAttenuator.list('garden', seeder())) await awsAttenuator.revoke(id, seeder());
    await awsAttenuator.forget!('garden', seeder());
    aws.seederPolicy = null;
    const left = await aws.admin('iam', { Action: 'ListPolicies', Scope: 'Local', PathPrefix: '/cell/garden/' });
    expect(left).not.toContain(`arn:aws:iam::${ACCOUNT}:policy/cell/garden/`);
    aws.seederPolicy = { Statement: [] };
    expect((await examineAws(seeder(), 'garden', true)).mend).toMatch(/may not look at roles/);
  });
});
