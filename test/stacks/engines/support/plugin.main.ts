/**
 * A stand-in for the plugin of one of Pulumi's packages: makes nothing, and notes in the file PLUGIN_NOTES what it was asked
 * with which token of its environment. Its resources are what they were asked to be.
 */
import { appendFileSync } from 'node:fs';
import * as server from '@pulumi/pulumi/provider/index.js';

const { PLUGIN_NOTES = '', LINODE_TOKEN = '' } = process.env;
const note = (did: string) => appendFileSync(PLUGIN_NOTES, `${did} with ${LINODE_TOKEN}\n`);

const provider: server.Provider = {
  version: '5.7.0',
  async check(_urn, _olds, news) {
    return { inputs: news, failures: [] };
  },
  async diff(_id, _urn, olds, news) {
    return { changes: olds.label !== news.label };
  },
  async create(_urn, inputs) {
    note('create');
    // As the plugins do that are made of Terraform's: the id is an output, too.
    return { id: '17', outs: { ...inputs, id: '17' } };
  },
  async read(id, _urn, props) {
    note('read');
    return { id, props: props ?? {} };
  },
  async update(id, _urn, _olds, news) {
    note('update');
    return { outs: { ...news, id } };
  },
  async delete() {
    note('delete');
  },
};

await server.main(provider, process.argv.slice(2));
