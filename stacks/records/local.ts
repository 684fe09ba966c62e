/**
 * DNS records in the embedded server: the provider `local`. The server is src/local/dns*.ts; a credential is its folder,
 * port, Node and token.
 */
import { join } from 'node:path';
import { query } from '../../src/effects/dns/query.ts';
import { CellError } from '../../src/errors.ts';
import { geneFor } from '../gene.ts';
import type { ResourceSpec } from '../stack.ts';
import { type DnsProvider, ownershipName, ownershipText, type TaggedRecord } from './record.ts';

const TYPE = 'cell:local:Record';

/** Not found, nothing of that type, and a zone that is not there yet: all say that there is no such record now. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA', 'EREFUSED']);
const QUERY_TIMEOUT_MS = 2_000;
const QUERY_TRIES = 3;

const client = () => import('../../src/local/dns-client.ts');

export const localDns: DnsProvider = {
  name: 'local',
  engine: 'embedded',

  resources(need, gene) {
    const { organism, birth, zone } = need;
    // Down, not up: nobody may remember a record for longer than the genome says. Under a second: not at all.
    const ttl = Math.floor(gene.ttl / 1000);
    return [...new Set(need.domains)].flatMap((domain): ResourceSpec[] => [
      {
        type: TYPE,
        name: `${domain}/A`,
        inputs: { organism, birth, zone, name: domain, type: 'A', values: [{ $value: 'address' }], ttl },
      },
      {
        type: TYPE,
        name: `${domain}/owner`,
        inputs: { organism, birth, zone, name: ownershipName(domain), type: 'TXT', values: [ownershipText(need)], ttl },
      },
    ]);
  },

  async credential(gene, home) {
    const { ensureToken } = await client();
    const dir = join(home, 'local', 'dns');
    return { dir, port: geneFor('local', gene).port, node: process.execPath, token: await ensureToken(dir) };
  },

  async list(organism, credential) {
    const { callDns, dnsCredential, everUsed } = await client();
    const where = dnsCredential(credential);
    if (!everUsed(where)) return [];
    const { body } = await callDns(where, 'GET', `/v1/records?organism=${encodeURIComponent(organism)}`);
    return (body as TaggedRecord[]).map(({ id, birth, name, type, values }) => ({ id, birth, name, type, values }));
  },

  async remove(id, credential) {
    const { callDns, dnsCredential, everUsed } = await client();
    const where = dnsCredential(credential);
    if (!everUsed(where)) return;
    // Who sweeps speaks for the dead cell that the record's id names.
    const owner = id.split('/').slice(0, 2).join('/');
    await callDns(where, 'DELETE', `/v1/records/${encodeURIComponent(id)}`, { owner });
  },

  async forget(_organism, credential) {
    const { dnsCredential, stopDns } = await client();
    await stopDns(dnsCredential(credential));
  },

  async resolve(domain, type, credential) {
    const { dnsCredential, ensureDns, everUsed } = await client();
    const where = dnsCredential(credential);
    if (!everUsed(where)) return [];
    await ensureDns(where);
    const { Resolver } = await import('node:dns/promises');
    const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
    resolver.setServers([`127.0.0.1:${where.port}`]);
    try {
      return await query(resolver, domain, type);
    } catch (thrown) {
      const { code = '', message } = thrown as NodeJS.ErrnoException;
      if (NOTHING.has(code)) return [];
      throw new CellError('PROVIDER_REFUSED', `The local DNS did not answer for ${domain}`, {
        why: message,
        cause: thrown,
      });
    }
  },
};
