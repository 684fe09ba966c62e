import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CellError } from '../../../src/errors.ts';
import { held, listed, put, take } from '../../../stacks/records/cloudflare.client.ts';
import type { Said } from '../../../stacks/records/owned.ts';
import { isRefusedCredential } from '../../../stacks/rest.ts';
import { failure } from '../credentials/server.support.ts';
import { type CloudflareStandIn, startCloudflare, ZONE, ZONE_ID } from './cloudflare.support.ts';

const NAME = 'www.garden.test';
const FOREIGN = [
  { name: ZONE, type: 'A', content: '203.0.113.1', ttl: 300 },
  { name: ZONE, type: 'MX', content: 'mail.example.net', ttl: 300 },
  { name: '*.garden.test', type: 'A', content: '203.0.113.2', ttl: 300 },
  { name: NAME, type: 'TXT', content: '"v=spf1 -all"', ttl: 300 },
  { name: `_cell.${NAME}`, type: 'TXT', content: 'somebody wrote this', ttl: 300 },
];

let cloudflare: CloudflareStandIn;
let waited: number[] = [];
beforeEach(async () => {
  cloudflare = await startCloudflare();
  for (const row of FOREIGN) cloudflare.zone.batch({ posts: [row] });
  waited = [];
});
afterEach(() => cloudflare.close());

const credential = (token = 'good') => ({
  token,
  endpoint: `${cloudflare.url}/client/v4`,
  zone: ZONE,
  zoneId: ZONE_ID,
});
const options = () => ({
  timeoutMs: 500,
  random: () => 0.5,
  pause: async (ms: number) => {
    waited.push(ms);
  },
});
const want = (birth: string, values: readonly string[], more: Partial<Said> = {}): Said => ({
  ...{ organism: 'garden', birth, name: NAME, values, ttl: 60, ...more },
});
const say = (birth: string, values: readonly string[], more: Partial<Said> = {}) =>
  put(credential(), want(birth, values, more), options());
const hush = (birth: string, more: Partial<Said> = {}) => take(credential(), want(birth, [], more), options());
const has = (birth: string) => held(credential(), want(birth, []), options());
/** What is in the zone beside what was there before. */
const ours = () => cloudflare.zone.dump().filter((line) => !untouched().includes(line));
const untouched = () => FOREIGN.map(({ name, type, content, ttl }) => `${name} ${ttl} ${type} ${content}`).sort();
const batches = () => cloudflare.asked.filter(({ path }) => path.endsWith('/batch')).length;
const claim = (birth: string, address: string, organism = 'garden') =>
  `_cell.${NAME} 60 TXT "v=cell1 organism=${organism} cell=${birth} address=${address}"`;

afterEach(() => expect(cloudflare.zone.dump()).toEqual(expect.arrayContaining(untouched())));

describe('a cell', () => {
  test('adds its address and its claim in one transaction, once, and takes the same away', async () => {
    await say('b1', ['192.0.2.1', '2001:DB8:0::1']);
    const both = [claim('b1', '192.0.2.1,2001:db8::1'), `${NAME} 60 A 192.0.2.1`, `${NAME} 60 AAAA 2001:db8::1`];
    expect(ours()).toEqual(both);
    await say('b1', ['192.0.2.1', '2001:db8::1']);
    expect([ours(), batches()]).toEqual([both, 1]);
    expect(await has('b1')).toEqual({ values: ['192.0.2.1', '2001:db8::1'], ttl: 60 });
    expect(await has('b2')).toBeNull();
    await hush('b1');
    await hush('b1');
    expect([cloudflare.zone.dump(), batches()]).toEqual([untouched(), 2]);
  });

  test('changes its own address and TTL, and leaves the others', async () => {
    for (const [birth, address] of Object.entries({ b1: '192.0.2.1', b2: '192.0.2.2' })) await say(birth, [address]);
    await say('b1', ['192.0.2.7'], { ttl: 120 });
    expect(ours()).toEqual(
      [
        claim('b1', '192.0.2.7').replace(' 60 ', ' 120 '),
        claim('b2', '192.0.2.2'),
        `${NAME} 120 A 192.0.2.7`,
        `${NAME} 60 A 192.0.2.2`,
      ].sort(),
    );
    await say('b1', ['192.0.2.7'], { ttl: 60 });
    expect(ours().filter((line) => line.includes('120'))).toEqual([]);
  });

  test('shares a name with another organism', async () => {
    await say('b1', ['192.0.2.1']);
    await say('b1', ['192.0.2.9'], { organism: 'meadow' });
    expect((await listed(credential(), 'meadow', options())).map(({ values }) => values)).toEqual([['192.0.2.9']]);
    await hush('b1');
    expect(ours()).toEqual([claim('b1', '192.0.2.9', 'meadow'), `${NAME} 60 A 192.0.2.9`]);
  });

  test('takes away a veil that somebody drew over its address', async () => {
    await say('b1', ['192.0.2.1']);
    const row = cloudflare.zone.rows.find(({ type, name }) => type === 'A' && name === NAME)!;
    cloudflare.zone.batch({ patches: [{ id: row.id, proxied: true }] });
    expect(await has('b1')).toEqual({ values: [], ttl: 60 });
    await say('b1', ['192.0.2.1']);
    expect(ours()).toEqual([claim('b1', '192.0.2.1'), `${NAME} 60 A 192.0.2.1`]);
  });

  test('that comes to the address of a dead one keeps it when that is buried, whoever is quicker', async () => {
    await say('old', ['192.0.2.1']);
    // Read before the new one comes, sent after.
    cloudflare.trouble = ({ path }) => {
      if (!path.endsWith('/batch')) return null;
      cloudflare.trouble = null;
      const [row] = cloudflare.zone.rows.filter(({ content }) => content === '192.0.2.1');
      cloudflare.zone.batch({
        deletes: [{ id: row!.id }],
        posts: [
          { name: NAME, type: 'A', content: '192.0.2.1', ttl: 60 },
          {
            name: `_cell.${NAME}`,
            type: 'TXT',
            content: `"v=cell1 organism=garden cell=new address=192.0.2.1"`,
            ttl: 60,
          },
        ],
      });
      return null;
    };
    await hush('old');
    expect(ours()).toEqual([claim('new', '192.0.2.1'), `${NAME} 60 A 192.0.2.1`]);
  });

  test('that takes over an address makes its record anew', async () => {
    await say('old', ['192.0.2.1']);
    const idOf = () => cloudflare.zone.rows.find(({ content }) => content === '192.0.2.1')?.id;
    const before = idOf();
    await say('new', ['192.0.2.1']);
    expect(idOf()).not.toBe(before);
    await hush('old');
    expect(ours()).toEqual([claim('new', '192.0.2.1'), `${NAME} 60 A 192.0.2.1`]);
  });
});

describe('what is not ours', () => {
  test.each([
    ['an address', { type: 'A', content: '203.0.113.7' }, '203.0.113.7'],
    ['an address of the other family', { type: 'AAAA', content: '2001:db8::7' }, '2001:db8::7'],
    ['an alias', { type: 'CNAME', content: 'elsewhere.example.net' }, 'an alias for elsewhere.example.net'],
  ])('is left alone: %s', async (_, row, what) => {
    cloudflare.zone.batch({ posts: [{ name: NAME, ttl: 300, ...row }] });
    const before = cloudflare.zone.dump();
    const error = await failure<CellError>(say('b1', ['192.0.2.1']));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', message: `${NAME} belongs to somebody else` });
    expect(error.why).toContain(what);
    expect([cloudflare.zone.dump(), batches()]).toEqual([before, 0]);
  });

  test('that was added by hand beside ours stays, and is nobody’s to claim', async () => {
    await say('b1', ['192.0.2.1']);
    cloudflare.zone.batch({ posts: [{ name: NAME, type: 'A', content: '203.0.113.7', ttl: 300 }] });
    await say('b2', ['192.0.2.2']);
    expect(await failure(say('b3', ['203.0.113.7']))).toMatchObject({ code: 'PROVIDER_REFUSED' });
    for (const birth of ['b1', 'b2']) await hush(birth);
    expect(ours()).toEqual([`${NAME} 300 A 203.0.113.7`]);
  });
});

describe('what goes wrong on the way', () => {
  test('an answer that is lost after the change was made: nothing is made twice', async () => {
    cloudflare.afterwards = () => {
      cloudflare.afterwards = null;
      return { status: 0, cut: true };
    };
    await say('b1', ['192.0.2.1']);
    expect([ours(), batches()]).toEqual([[claim('b1', '192.0.2.1'), `${NAME} 60 A 192.0.2.1`], 1]);
    cloudflare.afterwards = () => {
      cloudflare.afterwards = null;
      return { status: 502, body: '<html>' };
    };
    await hush('b1');
    expect([cloudflare.zone.dump(), batches()]).toEqual([untouched(), 2]);
  });

  test('lists that are behind what was made', async () => {
    cloudflare.afterwards = () => {
      cloudflare.afterwards = null;
      cloudflare.lag = 4;
      return { status: 0, cut: true };
    };
    await say('b1', ['192.0.2.1']);
    expect(ours()).toEqual([claim('b1', '192.0.2.1'), `${NAME} 60 A 192.0.2.1`]);
    expect(batches()).toBe(3);
  });

  test('too many requests: it waits as long as it is asked to, where that is not long', async () => {
    let refused = 0;
    const many = (after: string) => () => {
      refused += 1;
      return { status: 429, headers: { 'retry-after': after }, body: { success: false, errors: [], result: null } };
    };
    cloudflare.trouble = () => (refused < 2 ? many('7')() : null);
    await say('b1', ['192.0.2.1']);
    expect([ours().length, waited]).toEqual([2, [7_000, 7_000]]);
    cloudflare.trouble = many('300');
    const error = await failure<CellError>(say('b2', ['192.0.2.2']));
    expect(error).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'Cloudflare has had too many requests',
      why: expect.stringContaining('300 seconds'),
      fields: { status: 429 },
    });
    expect(waited).toHaveLength(2);
  });

  test('trouble that lasts: it is asked so many times and no more', async () => {
    cloudflare.trouble = ({ method }) => (method === 'GET' ? { status: 503, body: 'no' } : null);
    expect(await failure(say('b1', ['192.0.2.1']))).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'Cloudflare is in trouble itself',
      fields: { status: 503 },
    });
    // Two lists, three times each.
    await expect.poll(() => cloudflare.asked.length).toBe(6);
    cloudflare.trouble = ({ method }) => (method === 'POST' ? { status: 500, body: { success: false } } : null);
    expect(await failure(say('b1', ['192.0.2.1']))).toMatchObject({ fields: { status: 500, unclear: true } });
    expect(batches()).toBe(3);
    expect(cloudflare.zone.dump()).toEqual(untouched());
  });

  test('nobody answers', async () => {
    const gone = { ...credential(), endpoint: 'http://127.0.0.1:9/client/v4' };
    const error = await failure<CellError>(put(gone, want('b1', ['192.0.2.1']), options()));
    expect(error).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'Cloudflare does not answer',
      fields: { status: 0 },
    });
    expect(error.suggestion).toContain('status page');
  });

  test.each<[string, object]>([
    ['a page', { status: 200, body: '<html>welcome</html>', headers: { 'content-type': 'text/html' } }],
    ['half of an answer', { status: 200, body: '{"success":true,"resu' }],
    ['a list of something', { status: 200, body: [1, 2] }],
    ['an envelope with nothing in it', { status: 200, body: { success: true } }],
    ['no list', { status: 200, body: { success: true, result: { a: 1 } } }],
    ['a record that is none', { status: 200, body: { success: true, result: [{ id: 7 }], result_info: {} } }],
    ['nothing', { status: 204 }],
  ])('an answer that is none: %s', async (_, given) => {
    cloudflare.trouble = () => given as never;
    const error = await failure<CellError>(say('b1', ['192.0.2.1']));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { provider: 'Cloudflare' } });
    expect(error.message).toMatch(/does not answer|documents do not say/);
    expect(batches()).toBe(0);
  });

  test('a no that comes as a yes', async () => {
    cloudflare.trouble = () => ({
      ...{ status: 200, body: { success: false, errors: [{ code: 1234, message: 'not today' }], result: null } },
    });
    expect(await failure(say('b1', ['192.0.2.1']))).toMatchObject({
      message: 'Cloudflare refused',
      why: expect.stringContaining('not today (1234)'),
    });
  });

  test('a list without an end', async () => {
    await say('b1', ['192.0.2.1']);
    const endless = { page: 1, per_page: 1000, total_pages: 1e9 };
    cloudflare.trouble = ({ method, query }) => {
      if (method !== 'GET') return null;
      const row = {
        id: `id${query.get('page')}`,
        name: NAME,
        type: 'A',
        content: '192.0.2.1',
        ttl: 60,
        proxied: false,
      };
      return { status: 200, body: { success: true, result: [row], result_info: endless } };
    };
    expect(await failure(has('b1'))).toMatchObject({ why: expect.stringContaining('pages') });
  }, 30_000);

  test.each([
    ['that was never one', 'nobody', true, /does not take this credential/],
    ['that may only read', 'reader', false, /does not let this token/],
  ])('a token %s', async (_, token, gone, message) => {
    cloudflare.tokens.set('reader', 'read');
    const error = await failure<CellError>(put(credential(token), want('b1', ['192.0.2.1']), options()));
    expect([error.code, isRefusedCredential(error)]).toEqual(['PROVIDER_REFUSED', gone]);
    expect(error.message).toMatch(message);
    expect(cloudflare.zone.dump()).toEqual(untouched());
  });

  test('a token is in no message, whatever the answer says', async () => {
    const secret = 'tell-nobody-0123456789';
    cloudflare.trouble = () => ({
      status: 400,
      body: { success: false, errors: [{ code: 1, message: `bad ${secret}` }] },
    });
    const error = await failure<CellError>(put(credential(secret), want('b1', ['192.0.2.1']), options()));
    expect(error.why).toContain('bad [secret]');
    expect(JSON.stringify([error.message, error.why, error.suggestion, error.fields])).not.toContain(secret);
  });

  test('a refusal that no second look mends', async () => {
    expect(await failure(say('b1', ['192.0.2.1'], { ttl: 20 }))).toMatchObject({
      message: 'Cloudflare refused',
      why: expect.stringContaining('Invalid TTL'),
    });
    expect(batches()).toBe(1);
  });
});

test('thousands of records are listed page by page, and of each organism its own', async () => {
  for (let n = 0; n < 2_400; n++) {
    const organism = n % 3 === 0 ? 'garden' : 'gardens';
    const content = `"v=cell1 organism=${organism} cell=b${n} address=192.0.2.1"`;
    cloudflare.zone.rows = [
      ...cloudflare.zone.rows,
      {
        id: n.toString(16).padStart(32, '0'),
        name: `_cell.f${n}.${ZONE}`,
        type: 'TXT',
        content,
        ttl: 60,
        proxied: false,
      },
    ];
  }
  expect(await listed(credential(), 'gardens', options())).toHaveLength(1_600);
  expect(cloudflare.asked.map(({ query }) => query.get('page'))).toEqual(['1', '2']);
  const own = await listed(credential(), 'garden', options());
  expect(own).toHaveLength(800);
  expect(own[1]).toEqual({
    ...{ id: `garden/b3/${ZONE}/f3.${ZONE}`, birth: 'b3', name: `f3.${ZONE}`, type: 'A', values: ['192.0.2.1'] },
  });
});

describe('cells at once', () => {
  test('each come and go with their own, and none is lost', async () => {
    const births = Array.from({ length: 12 }, (_, index) => `b${index}`);
    await Promise.all(births.map((birth, index) => say(birth, [`192.0.2.${index}`])));
    expect(ours()).toHaveLength(24);
    await Promise.all(births.slice(0, 6).map((birth) => hush(birth)));
    expect(ours().filter((line) => line.includes(' A '))).toEqual(
      births
        .slice(6)
        .map((_, index) => `${NAME} 60 A 192.0.2.${index + 6}`)
        .sort(),
    );
  });
});
