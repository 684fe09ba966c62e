/** Zones of DigitalOcean, Linode and Route 53 over their APIs: what sweeps see and take away, and what is in a cell's way. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digitaloceanDns, linodeDns, route53Dns } from '../../../genome/dns.ts';
import type { CellError } from '../../../src/errors.ts';
import { claimText } from '../../../stacks/records/claims.ts';
import { dnsProvider } from '../../../stacks/records/index.ts';
import type { RecordNeed } from '../../../stacks/records/record.ts';
import { setIdentifier } from '../../../stacks/records/route53.ts';
import { isRefusedCredential } from '../../../stacks/rest.ts';
import { failure } from '../credentials/server.support.ts';
import {
  DOMAIN_ID,
  type Row,
  type Standing,
  startDigitalOceanDomains,
  startLinodeDomains,
  startRoute53,
  ZONE,
  ZONE_ID,
} from './hosted.support.ts';

const NAME = 'www.garden.test';
const MAKERS = [
  ['digitalocean', startDigitalOceanDomains],
  ['linode', startLinodeDomains],
  ['route53', startRoute53],
] as const;

describe.each(MAKERS)('%s', (maker, start) => {
  const provider = dnsProvider(maker);
  let standIn: Standing;
  let next: number;
  beforeEach(async () => {
    standIn = await start();
    next = 1;
    for (const [name, type, value] of [
      [ZONE, 'A', '203.0.113.1'],
      [ZONE, 'MX', '10 mail.example.net'],
      ['*.garden.test', 'A', '203.0.113.2'],
      [NAME, 'TXT', 'v=spf1 -all'],
      [`_cell.${NAME}`, 'TXT', 'somebody wrote this'],
    ] as const) {
      add({ name, type, value });
    }
  });
  afterEach(async () => {
    expect(standIn.wrong).toEqual([]);
    await standIn.close();
  });

  const add = (row: Pick<Row, 'name' | 'type' | 'value'> & { readonly set?: string }): string => {
    const id = String(next++);
    standIn.rows = [...standIn.rows, { id, ttl: 60, ...row }];
    return id;
  };
  /** What the stack of a cell would have made; gives the ids. */
  const speaks = (birth: string, address: string, name = NAME, organism = 'garden'): readonly string[] => {
    const own = maker === 'route53' ? { set: setIdentifier({ organism, birth }) } : {};
    const text = claimText({ organism, birth, values: [address] });
    return [
      add({ name: `_cell.${name}`, type: 'TXT', value: text, ...own }),
      add({ name, type: address.includes(':') ? 'AAAA' : 'A', value: address, ...own }),
    ];
  };
  const need = (birth: string, domains = [NAME]): RecordNeed => ({ organism: 'garden', birth, zone: ZONE, domains });
  const shown = () => standIn.rows.map(({ id }) => id);
  const clear = (domains = [NAME]) => provider.clear!(need('b9', domains), standIn.credential);

  test('lets a cell come where nobody is, and where cells are', async () => {
    await clear();
    speaks('b1', '192.0.2.1');
    speaks('b2', '2001:db8::2');
    await clear();
    expect(standIn.asked.every(({ method }) => method === 'GET')).toBe(true);
  });

  test.each([
    ['an address', 'A', '203.0.113.7'],
    ['an address of the other family', 'AAAA', '2001:db8::7'],
    ['an alias', 'CNAME', 'elsewhere.example.net'],
  ])('refuses a name that has %s of somebody else', async (_, type, value) => {
    await clear(['other.garden.test']);
    add({ name: 'other.garden.test', type, value });
    const error = await failure<CellError>(clear([NAME, 'other.garden.test']));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', message: 'other.garden.test belongs to somebody else' });
    expect(error.why).toContain(value);
    expect(await failure(clear([ZONE]))).toMatchObject({ why: expect.stringContaining('203.0.113.1') });
  });

  test('takes one cell’s records away and nobody else’s', async () => {
    const before = shown();
    speaks('b1', '192.0.2.1');
    const two = speaks('b2', '192.0.2.2');
    const meadow = speaks('b1', '192.0.2.9', NAME, 'meadow');
    const hand = add({
      name: NAME,
      type: 'A',
      value: '203.0.113.7',
      ...(maker === 'route53' ? { set: 'by hand' } : {}),
    });
    const listed = await provider.list('garden', standIn.credential);
    expect(listed.map(({ birth, name, type, values }) => [birth, name, type, ...values])).toEqual([
      ['b1', NAME, 'A', '192.0.2.1'],
      ['b2', NAME, 'A', '192.0.2.2'],
    ]);
    const id = listed[0]!.id;
    await provider.remove(id, standIn.credential);
    await provider.remove(id, standIn.credential);
    expect(shown()).toEqual([...before, ...two, ...meadow, hand]);
  });

  test('lists thousands page by page, at any name', async () => {
    speaks('b1', '192.0.2.1', ZONE);
    for (let n = 0; n < 700; n++) speaks(`b${n}`, '192.0.2.1', `f${n}.${ZONE}`, n % 2 === 0 ? 'garden' : 'meadow');
    const listed = await provider.list('garden', standIn.credential);
    expect(listed).toHaveLength(351);
    expect(new Set(listed.map(({ name }) => name)).size).toBe(351);
    expect(listed.filter(({ name }) => name === ZONE)).toHaveLength(1);
    expect(standIn.asked.length).toBeGreaterThan(2);
  });

  test('says what its answer was good for, and never a secret', async () => {
    standIn.trouble = () => ({ status: 503, body: 'no' });
    // The library of AWS asks again by itself.
    if (maker !== 'route53') {
      expect(await failure(clear())).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { status: 503 } });
    }
    standIn.trouble = () => ({ status: 200, body: maker === 'route53' ? '<a></a>' : { hello: 1 }, headers: {} });
    expect(await failure(clear())).toMatchObject({ message: expect.stringMatching(/makes no sense/) });
    standIn.trouble = null;
    const wrong = {
      ...standIn.credential,
      token: 'tell-nobody',
      accessKeyId: 'NOBODY',
      secretAccessKey: 'tell-nobody',
    };
    const error = await failure<CellError>(provider.list('garden', wrong));
    expect(isRefusedCredential(error)).toBe(true);
    expect(JSON.stringify([error.message, error.why, error.fields])).not.toContain('tell-nobody');
    expect(await failure(provider.list('garden', null))).toMatchObject({ code: 'NOT_ALLOWED' });
  });

  test('is examined without changing anything', async () => {
    expect(await provider.examine?.(need('b1'), standIn.credential)).toContain(ZONE);
    expect(standIn.asked.every(({ method }) => method === 'GET')).toBe(true);
  });

  // At Route 53 a set is replaced by itself: there is nothing that could be left over.
  if (maker === 'route53') return;
  describe('after a stack was run', () => {
    const tidy = (birth: string, kept: readonly string[]) =>
      provider.tidy!(need(birth), new Set(kept), standIn.credential);

    test('takes away what attempts that were cut off left, and only that', async () => {
      const [lostClaim, lostAddress] = speaks('b1', '192.0.2.1');
      const kept = speaks('b1', '192.0.2.1');
      const before = shown().filter((id) => id !== lostClaim && id !== lostAddress);
      const other = speaks('b2', '192.0.2.2');
      await tidy('b1', kept);
      await tidy('b1', kept);
      expect(shown()).toEqual([...before, ...other]);
    });

    test('leaves everything where the stack says nothing of it', async () => {
      speaks('b1', '192.0.2.1');
      const before = shown();
      await tidy('b1', []);
      await tidy('b1', ['990', '991']);
      expect(shown()).toEqual(before);
    });

    test('a claim alone, or an address alone, is left over, too', async () => {
      const [lost] = speaks('b1', '192.0.2.1');
      const [claim, address] = speaks('b1', '192.0.2.1');
      standIn.rows = standIn.rows.filter(({ id }) => id === lost || Number(id) <= 5 || Number(id) >= Number(claim));
      await tidy('b1', [claim!, address!]);
      expect(shown().slice(5)).toEqual([claim, address]);
    });

    test('an address that another cell has, too, stays', async () => {
      const old = speaks('old', '192.0.2.1');
      const fresh = speaks('new', '192.0.2.1');
      await tidy('new', fresh);
      expect(shown().slice(5)).toEqual([...old, ...fresh]);
      // The older of the two that are alike is the dead one's.
      await provider.remove(`garden/old/${ZONE}/${NAME}`, standIn.credential);
      expect(shown().slice(5)).toEqual(fresh);
      await provider.remove(`garden/new/${ZONE}/${NAME}`, standIn.credential);
      expect(shown()).toHaveLength(5);
    });
  });
});

describe('a credential', () => {
  const started: Standing[] = [];
  const start = async (one: () => Promise<Standing>) => {
    const standIn = await one();
    started.push(standIn);
    return standIn;
  };
  afterEach(async () => {
    delete process.env.CELL_TEST_DNS;
    for (const standIn of started.splice(0)) await standIn.close();
  });
  const about = { zone: ZONE };

  test('of Linode knows the number of the domain, which fills the holes of a plan', async () => {
    const { url: endpoint } = await start(startLinodeDomains);
    process.env.CELL_TEST_DNS = 'secret\n';
    const gene = linodeDns.parse({ provider: 'linode', credentials: 'env:CELL_TEST_DNS', endpoint });
    const credential = await dnsProvider('linode').credential(gene, '', about);
    expect(credential).toEqual({ token: 'secret', endpoint, zone: ZONE, domainId: DOMAIN_ID });
    expect(dnsProvider('linode').values?.(credential)).toEqual({ domainId: DOMAIN_ID });
    expect(await failure(dnsProvider('linode').credential(gene, '', { zone: `lab.${ZONE}` }))).toMatchObject({
      message: `Linode has no zone lab.${ZONE} for this credential`,
      suggestion: expect.stringContaining(`zone: ${ZONE}`),
    });
  });

  test('of Route 53 knows the id of the public zone, unless the genome says it', async () => {
    const { url: endpoint, asked } = await start(startRoute53);
    process.env.CELL_TEST_DNS = JSON.stringify({ AccessKeyId: 'AKIDEXAMPLE', SecretAccessKey: 'secret' });
    const gene = (more: object = {}) =>
      route53Dns.parse({ provider: 'route53', credentials: 'env:CELL_TEST_DNS', endpoint, ...more });
    const own = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', endpoint, zone: ZONE };
    const credential = await dnsProvider('route53').credential(gene(), '', about);
    expect(credential).toEqual({ ...own, zoneId: ZONE_ID });
    expect(dnsProvider('route53').values?.(credential)).toEqual({ zoneId: ZONE_ID });
    const before = asked.length;
    expect(await dnsProvider('route53').credential(gene({ zoneId: 'ZOTHER' }), '', about)).toEqual({
      ...{ ...own, zoneId: 'ZOTHER' },
    });
    expect(asked).toHaveLength(before);
    expect(await failure(dnsProvider('route53').credential(gene(), '', { zone: 'example.org' }))).toMatchObject({
      message: 'Route 53 has no zone example.org for this credential',
      why: expect.stringContaining(ZONE),
    });
  });

  test('of DigitalOcean is a token and the domain, and says which domains there are', async () => {
    const standIn = await start(startDigitalOceanDomains);
    process.env.CELL_TEST_DNS = 'dop_v1_secret';
    const gene = digitaloceanDns.parse({
      provider: 'digitalocean',
      credentials: 'env:CELL_TEST_DNS',
      endpoint: standIn.url,
    });
    const credential = await dnsProvider('digitalocean').credential(gene, '', about);
    expect(credential).toEqual({ token: 'dop_v1_secret', endpoint: standIn.url, zone: ZONE });
    const elsewhere = { ...standIn.credential, zone: `lab.${ZONE}` };
    expect(await failure(dnsProvider('digitalocean').list('garden', elsewhere))).toMatchObject({
      suggestion: expect.stringContaining(`zone: ${ZONE}`),
    });
    expect(standIn.wrong).toEqual([]);
  });
});
