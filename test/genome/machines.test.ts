/** What takes two fields to be wrong of machines of one's own. */
import { describe, expect, it } from 'vitest';
import { findingsIn, gardenAfter } from './garden.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f';
const OTHER = KEY.replace('AABAgME', 'AACAgME');
const box = (address = '192.0.2.10', hostKey = KEY, port = 22) => ({ address, hostKey, port });
const cloud = (more: object = {}) => ({ provider: 'nspawn', box: box(), credentials: 'file:box.key', ...more });
const DNS = { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials: 'file:dns.key' };
const garden = (near: object, more: Readonly<Record<string, unknown>> = {}) =>
  findingsIn(gardenAfter({ 'clouds.near': near, dns: DNS, ...more })).map(({ severity, code, path, expected }) => {
    expect(expected).toBeTruthy();
    return `${severity} ${code} ${path}`;
  });

describe('a box', () => {
  it('that its machines reach is fine', () => {
    expect(garden(cloud({ cpus: 1, memory: '1GiB' }))).toEqual([]);
    const alone = { 'body.maxCells': 1, 'functions.web.divide': 'never' };
    expect(garden(cloud({ box: box('127.0.0.1') }), alone)).toEqual([]);
    expect(garden(cloud(), { 'clouds.far': cloud() })).toEqual([]);
    expect(garden(cloud(), { 'clouds.far': cloud({ box: box('192.0.2.10', OTHER, 23) }) })).toEqual([]);
    expect(garden(cloud({ memory: '1GiB' }), { 'functions.web.limits': { memory: '1GiB', cpu: '400%' } })).toEqual([]);
  });

  it.each([
    ['on the loopback', cloud({ box: box('127.0.0.1') }), {}, 'error box-on-loopback clouds.near.box.address'],
    ['by the name of it', cloud({ box: box('localhost') }), {}, 'error box-on-loopback clouds.near.box.address'],
    ['beside the DNS of this computer', cloud(), { dns: { provider: 'local' } }, 'error dns-out-of-reach dns.provider'],
    [
      'with two host keys',
      cloud(),
      { 'clouds.far': cloud({ box: box('192.0.2.10', OTHER) }) },
      'error two-host-keys clouds.far.box.hostKey',
    ],
    [
      'with less memory than a function may use',
      cloud({ memory: '1GiB' }),
      { 'functions.web.limits': { memory: '2GiB' } },
      'warning limit-over-machine functions.web.limits.memory',
    ],
    [
      'with fewer cores than a function may use',
      cloud({ cpus: 1.5 }),
      { 'functions.web.limits': { cpu: '200%' } },
      'warning limit-over-machine functions.web.limits.cpu',
    ],
  ])('%s is found', (_, near, more, finding) => {
    expect(garden(near, more)).toEqual([finding]);
  });
});
