import { expect, test } from 'vitest';
import { operationOf, wrongAnswer, wrongRequest } from './digitalocean.support.ts';

test('the document says which scopes an operation asks for', () => {
  expect(operationOf('POST', '/v2/droplets')?.scopes).toEqual([['droplet:create']]);
  expect(operationOf('DELETE', '/v2/domains/garden.example/records/7')?.scopes).toEqual([
    ['domain:delete'],
    ['domain:update'],
  ]);
  expect(operationOf('GET', '/v2/droplets/autoscale')?.template).toBe('/v2/droplets/autoscale');
  expect(operationOf('GET', '/v2/nothing')).toBeNull();
});

test('requests and answers are checked by it', () => {
  const droplet = { name: 'garden-b0123456789', region: 'ams3', size: 's-1vcpu-1gb', image: 'debian-13-x64' };
  expect(wrongRequest('POST', '/v2/droplets', droplet)).toBeNull();
  expect(wrongRequest('POST', '/v2/droplets', { ...droplet, size: 7 })).toMatch(/size/);
  expect(wrongRequest('POST', '/v2/domains', { name: 'garden.example' })).toBeNull();
  const tags = { tags: [], links: {}, meta: { total: 0 } };
  expect(wrongAnswer('GET', '/v2/tags', 200, tags)).toBeNull();
  expect(wrongAnswer('GET', '/v2/tags', 200, { ...tags, meta: { total: 'none' } })).toMatch(/total/);
  expect(wrongAnswer('DELETE', '/v2/tags/cell', 204, undefined)).toBeNull();
  expect(wrongAnswer('DELETE', '/v2/tags/cell', 403, { id: 'forbidden', message: 'no' })).toBeNull();
  expect(wrongAnswer('DELETE', '/v2/tags/cell', 403, { message: 'no' })).toMatch(/id/);
});
