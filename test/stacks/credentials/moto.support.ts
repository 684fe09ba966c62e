/**
 * AWS for tests: moto's server, which keeps users, roles, policies and machines, behind a gate that lets through what their
 * policies allow. moto itself looks at actions and not at resources, tags or conditions, and lets a session live for ever.
 *
 * moto comes from PyPI (tools/moto/install.sh, which CI runs first). Where it is not, these tests do not run and say so.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../src/effects/services.ts';
import { allows, type Document, type Request } from './iam.support.ts';
import { type Asked, type Given, type Server, serve } from './server.support.ts';

const VERSION = '5.2.5';
const FOLDER = join(process.env.CELL_CACHE ?? join(homedir(), '.cache', 'cell'), 'moto', VERSION);
export const ACCOUNT = '123456789012';

/** Whether the tests with moto cannot be run here; says so, and what would be needed. */
export function lacksMoto(): boolean {
  if (existsSync(join(FOLDER, 'moto'))) return false;
  if (process.env.CELL_REQUIRE_MOTO !== undefined) throw new Error(`moto is required and not at ${FOLDER}`);
  process.stderr.write('lab: not run: credentials of AWS, for they need moto (sh tools/moto/install.sh)\n');
  return true;
}

export interface Aws extends Server {
  now: number;
  /** The seeder's keys: a user's of the account. */
  readonly seeder: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly endpoint: string };
  /** What the seeder may do; everything, where it is null. */
  seederPolicy: Document | null;
  /** What was refused, oldest first. */
  readonly refused: string[];
  /** moto itself, past the gate, as the account's owner. */
  admin(service: string, params: Readonly<Record<string, string>>, region?: string): Promise<string>;
}

interface Session {
  readonly role: string;
  readonly until: number;
}

const NAMES: Readonly<Record<string, string>> = { iam: '2010-05-08', sts: '2011-06-15', ec2: '2016-11-15' };

export async function startAws(now: number): Promise<Aws> {
  const port = await freePort('127.0.0.1');
  const moto = await run(port);
  const origin = `http://127.0.0.1:${port}`;
  const sessions = new Map<string, Session>();
  const refused: string[] = [];

  const send = async ({ method, path, query, headers, text }: Asked): Promise<{ status: number; text: string }> => {
    const kept = ['authorization', 'content-type', 'x-amz-date', 'x-amz-security-token'];
    const sent = Object.fromEntries(
      kept.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
    );
    const search = query.size === 0 ? '' : `?${query}`;
    const init = { method, headers: sent, ...(text === '' ? {} : { body: text }) };
    const answer = await fetch(`${origin}${path}${search}`, init);
    return { status: answer.status, text: await answer.text() };
  };
  const admin: Aws['admin'] = async (service, params, region = 'us-east-1') => {
    const body = new URLSearchParams({ ...params, Version: NAMES[service] ?? '' });
    const authorization = signature('AKIAADMIN', service, region);
    const answer = await fetch(origin, { method: 'POST', headers: { authorization }, body });
    return answer.text();
  };

  /** The role as moto has it: its ARN, what it may do, what bounds it, and who may take it on; null when it is gone. */
  async function roleOf(name: string) {
    const text = await admin('iam', { Action: 'GetRole', RoleName: name });
    const arn = inXml(text, 'Arn');
    if (arn === null) return null;
    const policy = await admin('iam', { Action: 'GetRolePolicy', RoleName: name, PolicyName: 'cell' });
    const bound = inXml(text, 'PermissionsBoundaryArn');
    return {
      arn,
      bound,
      policy: documentIn(policy, 'PolicyDocument') ?? { Statement: [] },
      boundary: bound === null ? null : await boundaryOf(bound),
      trust: documentIn(text, 'AssumeRolePolicyDocument') ?? { Statement: [] },
    };
  }
  async function boundaryOf(arn: string): Promise<Document> {
    const policy = await admin('iam', { Action: 'GetPolicy', PolicyArn: arn });
    const VersionId = inXml(policy, 'DefaultVersionId') ?? '';
    const version = await admin('iam', { Action: 'GetPolicyVersion', PolicyArn: arn, VersionId });
    return documentIn(version, 'Document') ?? { Statement: [] };
  }

  /** What a request asks for, each resource of it by itself. */
  async function requestsOf(call: Call): Promise<readonly Request[]> {
    const { service, region, action, params } = call;
    const context: Record<string, string | string[]> = {
      'aws:RequestedRegion': region,
      'aws:CurrentTime': new Date(aws.now).toISOString(),
    };
    const asks = (resource: string, more: Request['context'] = {}): Request => ({
      action: `${service}:${action}`,
      resource,
      context: { ...context, ...more },
    });
    const ec2 = (what: string) => `arn:aws:ec2:${region}:${ACCOUNT}:${what}`;
    if (service === 'iam' && params.RoleName !== undefined) {
      const path = params.Path ?? '/';
      const known = action === 'CreateRole' ? null : await roleOf(params.RoleName);
      const bound = known?.bound ?? params.PermissionsBoundary ?? null;
      const arn = known?.arn ?? `arn:aws:iam::${ACCOUNT}:role${path}${params.RoleName}`;
      return [asks(arn, bound === null ? {} : { 'iam:PermissionsBoundary': bound })];
    }
    if (service === 'iam') {
      const named = params.PolicyArn ?? `arn:aws:iam::${ACCOUNT}:policy${params.Path ?? '/'}${params.PolicyName ?? ''}`;
      return [asks(action.startsWith('List') && params.PolicyArn === undefined ? '*' : named)];
    }
    if (service === 'sts') return [asks(params.RoleArn ?? '*')];
    if (service === 'route53') {
      const zone = `arn:aws:route53:::hostedzone/${/hostedzone\/([^/]+)/.exec(call.path)?.[1] ?? ''}`;
      const all = (name: string) =>
        [...call.text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, one]) => one ?? '');
      return [
        asks(zone, {
          'route53:ChangeResourceRecordSetsNormalizedRecordNames': all('Name').map((one) => one.replace(/\.$/, '')),
          'route53:ChangeResourceRecordSetsRecordTypes': all('Type'),
        }),
      ];
    }
    const tag = params['TagSpecification.1.Tag.1.Key'];
    const requested =
      tag === undefined ? {} : { [`aws:RequestTag/${tag}`]: params['TagSpecification.1.Tag.1.Value'] ?? '' };
    if (action === 'RunInstances') {
      return [
        asks(ec2('instance/*'), requested),
        asks(ec2('subnet/subnet-1')),
        asks(`arn:aws:ec2:${region}::image/ami-1`),
      ];
    }
    if (params['InstanceId.1'] !== undefined) {
      const id = params['InstanceId.1'];
      return [asks(ec2(`instance/${id}`), await tagsOf(id, region))];
    }
    return [asks('*')];
  }
  async function tagsOf(id: string, region: string): Promise<Record<string, string>> {
    const filter = { 'Filter.1.Name': 'resource-id', 'Filter.1.Value.1': id };
    const text = await admin('ec2', { Action: 'DescribeTags', ...filter }, region);
    const items = [...text.matchAll(/<key>([^<]*)<\/key>.*?<value>([^<]*)<\/value>/gs)];
    return Object.fromEntries(items.map(([, key, value]) => [`aws:ResourceTag/${key}`, value ?? '']));
  }

  async function mayTakeOn(arn: string, principal: string): Promise<boolean> {
    const role = await roleOf(arn.split('/').at(-1) ?? '');
    const context = { 'aws:PrincipalArn': principal };
    return role !== null && allows(role.trust, { action: 'sts:AssumeRole', resource: arn, context });
  }

  async function answer(asked: Asked): Promise<Given> {
    const call = callOf(asked);
    const denied = (code: string, message: string): Given => {
      refused.push(`${call.service}:${call.action} ${code}`);
      const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
      return { status: 403, body: `<ErrorResponse>${error}</ErrorResponse>`, headers: { 'content-type': 'text/xml' } };
    };
    let principal = `arn:aws:iam::${ACCOUNT}:user/seeder`;
    let allowed: (request: Request) => boolean = (request) =>
      aws.seederPolicy === null || allows(aws.seederPolicy, request);
    if (call.key !== aws.seeder.accessKeyId) {
      const session = sessions.get(call.key);
      if (session === undefined)
        return denied('InvalidClientTokenId', 'The security token included in the request is invalid.');
      if (session.until <= aws.now)
        return denied('ExpiredToken', 'The security token included in the request is expired');
      const role = await roleOf(session.role.split('/').at(-1) ?? '');
      if (role === null)
        return denied('InvalidClientTokenId', 'The security token included in the request is invalid.');
      principal = session.role;
      allowed = (request) => allows(role.policy, request) && (role.boundary === null || allows(role.boundary, request));
    }
    const always = call.action === 'GetCallerIdentity';
    const requests = always ? [] : await requestsOf(call);
    const no = requests.find((request) => !allowed(request));
    const taken = call.action === 'AssumeRole' ? await mayTakeOn(call.params.RoleArn ?? '', principal) : true;
    if (no !== undefined || !taken) {
      return denied(
        'AccessDenied',
        `${principal} is not authorized to perform ${call.service}:${call.action} on ${no?.resource ?? 'it'}`,
      );
    }
    const { status, text } = await send(asked);
    if (call.action === 'GetCallerIdentity') {
      const who = call.key === aws.seeder.accessKeyId ? principal : sessionArn(principal);
      return {
        status,
        body: text.replace(/<Arn>[^<]*<\/Arn>/, `<Arn>${who}</Arn>`),
        headers: { 'content-type': 'text/xml' },
      };
    }
    if (call.action === 'AssumeRole' && status === 200) {
      const until = aws.now + Number(call.params.DurationSeconds ?? 3600) * 1000;
      sessions.set(inXml(text, 'AccessKeyId') ?? '', { role: call.params.RoleArn ?? '', until });
      const body = text.replace(/<Expiration>[^<]*</, `<Expiration>${new Date(until).toISOString()}<`);
      return { status, body, headers: { 'content-type': 'text/xml' } };
    }
    return { status, body: text, headers: { 'content-type': 'text/xml' } };
  }

  const server = await serve(answer);
  const seeder = { accessKeyId: 'AKIASEEDER', secretAccessKey: 'seeder-secret', endpoint: server.url };
  const aws: Aws = {
    ...server,
    now,
    seeder,
    seederPolicy: null,
    refused,
    admin,
    close: async () => {
      await server.close();
      moto.kill('SIGKILL');
    },
  };
  return aws;
}

interface Call {
  readonly key: string;
  readonly region: string;
  readonly service: string;
  readonly action: string;
  readonly params: Readonly<Record<string, string>>;
  readonly path: string;
  readonly text: string;
}

function callOf({ headers, text, query, path, method }: Asked): Call {
  const [, key = '', region = '', service = ''] =
    /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\//.exec(headers.authorization?.toString() ?? '') ?? [];
  const params = Object.fromEntries([...query, ...(service === 'route53' ? [] : new URLSearchParams(text))]);
  const route = method === 'POST' ? 'ChangeResourceRecordSets' : 'ListResourceRecordSets';
  return { key, region, service, action: params.Action ?? route, params, path, text };
}

/** The gate and moto look at who asks and for what, and at no signature. */
export function signature(key: string, service: string, region: string): string {
  return `AWS4-HMAC-SHA256 Credential=${key}/20260504/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;
}

function sessionArn(role: string): string {
  return `arn:aws:sts::${ACCOUNT}:assumed-role/${role.split('/').at(-1)}/session`;
}

function inXml(text: string, name: string): string | null {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? null;
}

function documentIn(text: string, name: string): Document | null {
  const found = inXml(text, name);
  if (found === null) return null;
  const plain = found.replaceAll('&quot;', '"').replaceAll('&#34;', '"').replaceAll('&amp;', '&');
  return JSON.parse(plain.startsWith('%7B') ? decodeURIComponent(plain) : plain) as Document;
}

async function run(port: number): Promise<ChildProcess> {
  const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
  const env = { ...process.env, PYTHONPATH: FOLDER, MOTO_ACCOUNT_ID: ACCOUNT };
  const child = spawn('python3', args, { env, stdio: 'ignore' });
  for (let waited = 0; ; waited += 100) {
    const up = await fetch(`http://127.0.0.1:${port}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) return child;
    if (child.exitCode !== null || waited > 40_000) throw new Error('moto does not start');
    await sleep(100);
  }
}
