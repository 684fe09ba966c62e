/** A zone that somebody else serves: what all of its servers show, on loopback addresses of their own. */
import type { Answer } from 'dns-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { sampledByZone, shownByZone, untilGone } from '../../../src/effects/dns/authority.ts';
import { freePort } from '../../../src/effects/services.ts';
import { closeServers, type Records, serve } from './udp.support.ts';

afterEach(closeServers);

const NAME = 'www.garden.test';
const a = (name: string, data: string): Answer => ({ name, type: 'A', ttl: 5, data });
const ns = (data: string): Answer => ({ name: 'garden.test', type: 'NS', ttl: 5, data });
const DELEGATED: Records = [
  ns('ns1.maker.test'),
  ns('ns2.maker.test'),
  a('ns1.maker.test', '127.0.0.2'),
  a('ns2.maker.test', '127.0.0.3'),
];

/** A resolver that knows the delegation, and the two servers of the zone. */
async function zone(first: Records, second: Records, delegation: Records = DELEGATED) {
  const port = await freePort('127.0.0.1');
  const resolver = await serve('127.0.0.1', port, delegation);
  const [one, two] = [await serve('127.0.0.2', port, first), await serve('127.0.0.3', port, second)];
  return { resolver, one, two, options: { resolvers: [`127.0.0.1:${port}`], port } };
}

describe('a name', () => {
  test('shows what all servers of its zone show', async () => {
    const both = [a(NAME, '192.0.2.1'), a(NAME, '192.0.2.2')];
    const { options, two } = await zone(both, [a(NAME, '192.0.2.1')]);
    expect(await shownByZone('garden.test', NAME, 'A', options)).toEqual(['192.0.2.1']);
    two.records = [];
    expect(await shownByZone('garden.test', NAME, 'A', options)).toEqual([]);
    expect(await shownByZone('garden.test', NAME, 'AAAA', options)).toEqual([]);
  });

  test.each([2, 5])('does without a server that answers %i to everything', async (rcode) => {
    const { options, two } = await zone([a(NAME, '192.0.2.1')], []);
    two.rcode = rcode;
    expect(await shownByZone('garden.test', NAME, 'A', options)).toEqual(['192.0.2.1']);
  });

  test('is not said to be gone where no server answers', async () => {
    const { options, one, two } = await zone([], []);
    one.rcode = 5;
    two.rcode = 2;
    await expect(shownByZone('garden.test', NAME, 'A', options)).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'None of the servers of garden.test answers',
      why: expect.stringContaining('ns1.maker.test'),
    });
  });

  test('of a zone that is delegated to nobody', async () => {
    const { options } = await zone([], [], []);
    await expect(shownByZone('garden.test', NAME, 'A', options)).rejects.toMatchObject({
      message: 'garden.test is not delegated to anybody',
      suggestion: expect.stringContaining('name servers'),
    });
  });

  test('has its delegation asked for once, however often it is asked for', async () => {
    const { options, resolver, one } = await zone([a(NAME, '192.0.2.1')], [a(NAME, '192.0.2.1')]);
    for (let n = 0; n < 5; n++) await shownByZone('garden.test', NAME, 'A', options);
    // The servers of the zone, and two addresses of either family.
    expect([resolver.asked, one.asked]).toEqual([5, 5]);
  });
});

describe('a name of which a server answers with some addresses at a time', () => {
  const many = Array.from({ length: 12 }, (_, index) => a(NAME, `192.0.2.${index}`));

  test('shows all of them in a while', async () => {
    const { options, one, two } = await zone(many.slice(0, 8), many.slice(4));
    expect(await sampledByZone('garden.test', NAME, 'A', 8, options)).toHaveLength(12);
    expect(one.asked + two.asked).toBe(32);
  });

  test('is asked for once when it has fewer', async () => {
    const { options, one, two } = await zone(many.slice(0, 3), many.slice(0, 3));
    expect(await sampledByZone('garden.test', NAME, 'A', 8, options)).toHaveLength(3);
    expect(one.asked + two.asked).toBe(2);
  });
});

describe('an address that was taken away', () => {
  test('is waited for at a server that lags', async () => {
    const { options, two } = await zone([], [a(NAME, '192.0.2.1')]);
    let over = false;
    const waiting = untilGone('garden.test', NAME, ['192.0.2.1'], options).then(() => {
      over = true;
    });
    await expect.poll(() => two.asked, { timeout: 5_000 }).toBeGreaterThan(1);
    expect(over).toBe(false);
    two.records = [a(NAME, '192.0.2.9')];
    await waiting;
  });

  test('is said to be shown still, by whom, when that lasts', async () => {
    const { options } = await zone([], [a(NAME, '192.0.2.1')]);
    await expect(untilGone('garden.test', NAME, ['192.0.2.1'], { ...options, withinMs: 10 })).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `ns2.maker.test still shows 192.0.2.1 for ${NAME}`,
    });
  });
});
