/** Instances over EC2's query protocol, at a stand-in that answers as EC2 does. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clearInstance, listInstances, removeInstance } from '../../../stacks/machines/aws.api.ts';
import { ec2 } from '../../../stacks/machines/aws.query.ts';
import { failure, type Given, type Server, serve } from '../credentials/server.support.ts';

interface Thing {
  readonly id: string;
  readonly birth: string;
  state: string;
}

let server: Server;
let instances: Thing[];
let groups: string[];
/** Deletions of a group that are refused because what used it is not quite gone. */
let held: number;
let trouble: ((action: string) => Given | null) | null;
const credential = () => ({
  ...{ accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'very-secret', sessionToken: 'token-of-the-session' },
  ...{ region: 'eu-central-1', endpoint: server.url },
});
const waited: number[] = [];
const patience = { pause: async (ms: number) => waited.push(ms) };

const xml = (action: string, inside: string): Given => ({
  status: 200,
  headers: { 'content-type': 'text/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>
<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>${inside}</${action}Response>`,
});
const error = (status: number, code: string): Given => ({
  status,
  body: `<Response><Errors><Error><Code>${code}</Code><Message>No, ${code} &amp; more</Message></Error></Errors></Response>`,
});
const items = (all: readonly string[]) => all.map((one) => `<item>${one}</item>`).join('');
const tag = (key: string, value: string) => `<key>${key}</key><value>${value}</value>`;

function instance({ id, birth, state }: Thing): string {
  const address = state === 'running' ? '<ipAddress>192.0.2.7</ipAddress>' : '';
  const tags = items([tag('cell:organism', 'garden'), tag('cell:birth', birth), tag('cell:parent', 'seed')]);
  return `<instanceId>${id}</instanceId><instanceState><code>16</code><name>${state}</name></instanceState>${address}
    <tagSet>${tags}</tagSet>`;
}

function answer(action: string, form: URLSearchParams): Given {
  if (action === 'TerminateInstances') {
    const one = instances.find(({ id }) => id === form.get('InstanceId.1'));
    if (one !== undefined) one.state = 'shutting-down';
    return xml(action, '<instancesSet/>');
  }
  if (action === 'DescribeSecurityGroups')
    return xml(
      action,
      `<securityGroupInfo>${items(groups.map((id) => `<groupId>${id}</groupId>`))}</securityGroupInfo>`,
    );
  if (action === 'DeleteSecurityGroup') {
    if (held-- > 0) return error(400, 'DependencyViolation');
    groups = groups.filter((id) => id !== form.get('GroupId'));
    return xml(action, '<return>true</return>');
  }
  const wanted = form.get('InstanceId.1');
  const there = instances.filter(({ id }) => wanted === null || id === wanted);
  if (wanted !== null && there.length === 0) return error(400, 'InvalidInstanceID.NotFound');
  const [at, size] = [Number(form.get('NextToken') ?? 0), 2];
  const next = wanted === null && at + size < there.length ? `<nextToken>${at + size}</nextToken>` : '<nextToken/>';
  // Each in a reservation of its own, as when each was made by a call of its own.
  const sets = there.slice(at, at + size).map((one) => `<instancesSet>${items([instance(one)])}</instancesSet>`);
  return xml(action, `<reservationSet>${items(sets)}</reservationSet>${next}`);
}

beforeEach(async () => {
  instances = [];
  groups = [];
  held = 0;
  trouble = null;
  waited.length = 0;
  server = await serve(({ text }) => {
    const form = new URLSearchParams(text);
    const action = form.get('Action') ?? '';
    const instead = trouble?.(action) ?? null;
    if (instead !== null) return instead;
    const given = answer(action, form);
    // What was asked to end is over by the next look but one.
    for (const one of instances) {
      if (action === 'DescribeInstances' && one.state === 'shutting-down') one.state = 'terminated';
    }
    return given;
  });
});
afterEach(() => server.close());

describe('instances', () => {
  test('are listed by the tag of the organism, however many pages there are', async () => {
    instances = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ id: `i-${name}`, birth: `b-${name}`, state: 'running' }));
    (instances[4] as Thing).state = 'stopped';
    const found = await listInstances('garden', credential());
    expect(found.map(({ id }) => id)).toEqual(['i-a', 'i-b', 'i-c', 'i-d', 'i-e']);
    const first = { id: 'i-a', birth: 'b-a', parent: 'seed', address: '192.0.2.7', running: true };
    expect([found[0], found[4]]).toEqual([
      first,
      { id: 'i-e', birth: 'b-e', parent: 'seed', address: null, running: false },
    ]);
    const [asked] = server.asked;
    expect(Object.fromEntries(new URLSearchParams(asked?.text))).toMatchObject({
      ...{ Action: 'DescribeInstances', Version: '2016-11-15', MaxResults: '1000' },
      ...{ 'Filter.1.Name': 'tag:cell:organism', 'Filter.1.Value.1': 'garden' },
      ...{ 'Filter.2.Name': 'instance-state-name', 'Filter.2.Value.1': 'pending', 'Filter.2.Value.5': 'stopped' },
    });
    expect(asked?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/eu-central-1\/ec2\/aws4_request, SignedHeaders=/,
    );
    expect(asked?.headers['x-amz-security-token']).toBe('token-of-the-session');
  });

  test('of which there are none are an empty list', async () => {
    expect(await listInstances('garden', credential())).toEqual([]);
  });

  test('go with the group that was made for them, when that can go', async () => {
    instances = [{ id: 'i-a', birth: 'b-a', state: 'running' }];
    groups = ['sg-1'];
    held = 2;
    await removeInstance('i-a', credential(), patience);
    expect(instances[0]?.state).toBe('terminated');
    expect(groups).toEqual([]);
    await removeInstance('i-unknown', credential(), patience);
  });
});

test('an instance that is not there leaves no group', async () => {
  groups = ['sg-1'];
  await clearInstance({ birth: 'b-a' }, credential());
  expect(groups).toEqual([]);
});

describe('an answer', () => {
  test.each([
    ['busy', error(503, 'RequestLimitExceeded')],
    ['in trouble', error(500, 'InternalError')],
    ['cut off', { status: 200, cut: true } as Given],
  ])('of one that is %s is asked for again', async (_, given) => {
    let times = 0;
    trouble = () => (times++ < 3 ? given : null);
    expect(await listInstances('garden', credential(), patience)).toEqual([]);
    expect(waited).toEqual([500, 1000, 2000]);
    trouble = () => given;
    const thrown = await failure(listInstances('garden', credential(), patience));
    expect(thrown).toMatchObject({
      code: 'PROVIDER_REFUSED',
      fields: { provider: 'AWS', action: 'DescribeInstances' },
    });
  });

  test.each<[string, Given, object]>([
    ['refuses the keys', error(401, 'AuthFailure'), { fields: { status: 401, code: 'AuthFailure' } }],
    ['finds the session over', error(400, 'RequestExpired'), { fields: { status: 401 } }],
    [
      'has a policy against it',
      error(403, 'UnauthorizedOperation'),
      { why: 'UnauthorizedOperation: No, UnauthorizedOperation & more' },
    ],
    ['is nonsense', { status: 200, body: '<html>' }, { message: 'AWS answered what makes no sense' }],
    ['is of something else', xml('Other', ''), { message: 'AWS answered what makes no sense' }],
    ['has no reason', { status: 400, body: 'no' }, { why: 'Unknown: 2 characters that are no reason' }],
  ])('that %s is an error without secrets', async (_, given, wanted) => {
    trouble = () => given;
    const thrown = await failure(ec2(credential(), 'DescribeInstances', {}, [], patience));
    expect(thrown).toMatchObject({ code: 'PROVIDER_REFUSED', ...wanted });
    for (const secret of ['very-secret', 'token-of-the-session']) expect(JSON.stringify(thrown)).not.toContain(secret);
    expect(waited).toEqual([]);
  });
});
