/**
 * Several servers of one zone, on loopback addresses of their own: what all of them show, and what to do about one that
 * lags, lies lame, or is not there.
 */
import type { Answer } from 'dns-packet';
import { afterEach, describe, expect, test } from 'vitest';
import type { PrimaryCredential } from '../../../src/effects/dns/primary.ts';
import { shown, untilNotShown } from '../../../src/effects/dns/published.ts';
import { freePort } from '../../../src/effects/services.ts';
import { closeServers, type Records, serve } from './udp.support.ts';

afterEach(closeServers);

const a = (name: string, data: string): Answer => ({ name, type: 'A', ttl: 5, data });
const ns = (data: string): Answer => ({ name: 'garden.test', type: 'NS', ttl: 5, data });
const NAME = 'www.garden.test';
const SERVERS: Records = [
  ns('ns1.garden.test'),
  ns('ns2.garden.test'),
  a('ns1.garden.test', '127.0.0.1'),
  a('ns2.garden.test', '127.0.0.2'),
];

async function both(first: Records, second: Records) {
  const port = await freePort('127.0.0.1');
  const [primary, secondary] = [await serve('127.0.0.1', port, first), await serve('127.0.0.2', port, second)];
  const tsig = { name: 'none', algorithm: 'hmac-sha256', secret: '' } as const;
  const credential: PrimaryCredential = { server: '127.0.0.1', port, zone: 'garden.test', tsig };
  return { primary, secondary, credential, options: { secondaryPort: port, lagMs: 2_000 } };
}

describe('a name', () => {
  test('shows what all servers of its zone show', async () => {
    const { credential, options, secondary } = await both(
      [...SERVERS, a(NAME, '192.0.2.1'), a(NAME, '192.0.2.2')],
      [...SERVERS, a(NAME, '192.0.2.1'), a(NAME, '192.0.2.9')],
    );
    expect(await shown(credential, NAME, 'A', options)).toEqual(['192.0.2.1']);
    expect(secondary.asked).toBeGreaterThan(0);
    secondary.records = [];
    expect(await shown(credential, NAME, 'A', options)).toEqual([]);
  });

  test('in a part of the zone is asked for at the servers of the whole', async () => {
    const { credential, options } = await both([...SERVERS, a('x.lab.garden.test', '192.0.2.1')], [...SERVERS]);
    expect(await shown({ ...credential, zone: 'lab.garden.test' }, 'x.lab.garden.test', 'A', options)).toEqual([]);
  });

  test.each([2, 5])('is not asked for in vain at a server that answers %i to everything', async (rcode) => {
    const { credential, options, secondary } = await both([...SERVERS, a(NAME, '192.0.2.1')], []);
    secondary.rcode = rcode;
    expect(await shown(credential, NAME, 'A', options)).toEqual(['192.0.2.1']);
  });

  test('does without a server that is not there', async () => {
    const gone = [...SERVERS, ns('ns3.garden.test'), a('ns3.garden.test', '127.0.0.3'), a(NAME, '192.0.2.1')];
    const { credential, options } = await both(gone, [...gone]);
    expect(await shown(credential, NAME, 'A', options)).toEqual(['192.0.2.1']);
  });

  test('that is not there, or not of that type, shows nothing', async () => {
    const { credential, options } = await both([...SERVERS, a(NAME, '192.0.2.1')], SERVERS);
    expect(await shown(credential, 'nobody.garden.test', 'A', options)).toEqual([]);
    expect(await shown(credential, NAME, 'TXT', options)).toEqual([]);
  });

  test.each([
    [2, 'SERVFAIL'],
    [5, 'REFUSED'],
  ])('is not said to be gone when the primary answers %i', async (rcode, name) => {
    const { credential, options, primary } = await both(SERVERS, SERVERS);
    primary.rcode = rcode;
    await expect(shown(credential, NAME, 'A', options)).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      fields: { rcode: name, answered: true },
    });
  });

  test('is not said to be gone when the primary is', async () => {
    const { credential, options } = await both(SERVERS, SERVERS);
    const port = await freePort('127.0.0.1');
    await expect(shown({ ...credential, port }, NAME, 'A', options)).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `The DNS server at 127.0.0.1 port ${port} does not answer`,
    });
  });
});

describe('an address that was taken away', () => {
  test('is waited for at servers that lag', async () => {
    const { credential, options, secondary } = await both(SERVERS, [...SERVERS, a(NAME, '192.0.2.1')]);
    let over = false;
    const waiting = untilNotShown(credential, NAME, ['192.0.2.1'], options).then(() => {
      over = true;
    });
    await expect.poll(() => secondary.asked).toBeGreaterThan(1);
    expect(over).toBe(false);
    secondary.records = SERVERS;
    await waiting;
  });

  test('is said to be shown still, by whom, when that lasts', async () => {
    const { credential, options } = await both(SERVERS, [...SERVERS, a(NAME, '192.0.2.1')]);
    await expect(untilNotShown(credential, NAME, ['192.0.2.1'], { ...options, lagMs: 300 })).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `127.0.0.2 still shows 192.0.2.1 for ${NAME}`,
      suggestion: expect.stringContaining('transfer'),
    });
  });

  test('is not waited for when it is another cell that has it', async () => {
    const shared = [...SERVERS, a(NAME, '192.0.2.1')];
    const { credential, options } = await both(shared, shared);
    await untilNotShown(credential, NAME, ['192.0.2.1'], options);
  });
});
