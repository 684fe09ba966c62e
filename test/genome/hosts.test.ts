/** What takes two fields to be wrong of machines that are listed. */
import { describe, expect, it } from 'vitest';
import { findingsIn, gardenAfter } from './garden.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f';
const keyOf = (number: number) => KEY.replace('AABAgME', `AA${String.fromCharCode(65 + number)}AgME`);
const machine = (number: number, more: object = {}) => ({
  address: `192.0.2.${number}`,
  hostKey: `${keyOf(number)} of machine ${number}`,
  ...more,
});
const cloud = (...machines: readonly object[]) => ({ provider: 'hosts', machines, credentials: 'file:hosts.key' });
const DNS = { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials: 'file:dns.key' };
const garden = (near: object, more: Readonly<Record<string, unknown>> = {}) =>
  findingsIn(gardenAfter({ 'clouds.near': near, dns: DNS, 'body.maxCells': 2, ...more })).map(
    ({ severity, code, path, expected }) => {
      expect(expected).toBeTruthy();
      return `${severity} ${code} ${path}`;
    },
  );

describe('listed machines', () => {
  it('that are enough, and each once, are fine', () => {
    expect(garden(cloud(machine(1), machine(2), machine(1, { port: 23, hostKey: keyOf(3) })))).toEqual([]);
    expect(garden(cloud(machine(1)), { 'clouds.far': cloud(machine(2)) })).toEqual([]);
  });

  it.each([
    ['twice', cloud(machine(1), machine(2), machine(1)), {}, 'error machine-twice clouds.near.machines[2].address'],
    [
      'in two clouds',
      cloud(machine(1), machine(2)),
      { 'clouds.far': cloud(machine(2)) },
      'error machine-twice clouds.far.machines[0].address',
    ],
    [
      'with the host key of another',
      cloud(machine(1), machine(2, { hostKey: keyOf(1) })),
      {},
      'warning host-key-twice clouds.near.machines[1].hostKey',
    ],
    [
      'on the loopback',
      cloud(machine(1), machine(2, { address: '127.0.0.1' })),
      {},
      'error machine-on-loopback clouds.near.machines[1].address',
    ],
    [
      'beside the DNS of this computer',
      cloud(machine(1), machine(2)),
      { dns: { provider: 'local' } },
      'error dns-out-of-reach dns.provider',
    ],
    [
      'fewer than cells',
      cloud(machine(1), machine(2)),
      { 'body.maxCells': 3 },
      'warning too-few-machines body.maxCells',
    ],
  ])('%s are found', (_, near, more, finding) => {
    expect(garden(near, more)).toEqual([finding]);
  });

  it('are no limit where another cloud can make machines', () => {
    const box = { address: '192.0.2.10', hostKey: keyOf(9) };
    const far = { provider: 'nspawn', box, credentials: 'file:box.key' };
    expect(garden(cloud(machine(1)), { 'clouds.far': far, 'body.maxCells': 3 })).toEqual([]);
  });

  it('have a user who can be one', () => {
    expect(garden(cloud(machine(1, { user: 'root; reboot' }), machine(2)))[0]).toContain(
      'clouds.near.machines[0].user',
    );
  });
});
