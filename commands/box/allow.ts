import { resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { allow } from '../../src/box/allow.ts';
import { DEFAULT_DIR } from '../../src/box/words.ts';
import { CellCommand } from '../../src/command.ts';
import { programFile } from '../../src/programs.ts';

export default class BoxAllow extends CellCommand {
  static override summary = 'Make a key that drives this box for one organism, up to a quota, and can do nothing else.';
  static override description = 'Again for the same organism, it replaces the right: another quota, or another key.';
  static override args = { organism: Args.string({ description: 'as the genome calls it', required: true }) };
  static override examples = [
    { command: '<%= config.bin %> box allow garden --quota 5', description: 'prints what goes into the genome' },
  ];
  static override flags = {
    quota: Flags.integer({ description: 'how many machines at most', required: true, min: 0 }),
    dir: Flags.string({ description: 'the box', default: DEFAULT_DIR, helpValue: 'DIR' }),
    out: Flags.string({ description: 'where the private key goes [default: ORGANISM-box.key]', helpValue: 'FILE' }),
    address: Flags.string({ description: 'how cells reach this box [default: found out]', helpValue: 'ADDRESS' }),
    port: Flags.integer({ description: "its sshd's port", default: 22 }),
    'authorized-keys': Flags.string({ default: '/root/.ssh/authorized_keys', helpValue: 'FILE' }),
    'host-key': Flags.string({ default: '/etc/ssh/ssh_host_ed25519_key.pub', helpValue: 'FILE' }),
  };

  async run() {
    const { args, flags } = await this.parse(BoxAllow);
    const { dir, quota, address, port } = flags;
    const allowed = await allow({
      ...{ dir, quota, address, port, organism: args.organism },
      authorizedKeys: flags['authorized-keys'],
      out: resolve(flags.out ?? `${args.organism}-box.key`),
      hostKeyFile: flags['host-key'],
      serve: [process.execPath, programFile('box'), 'serve'],
    });
    this.log(allowed.clouds.trimEnd());
    this.logToStderr(`The key at ${allowed.key} makes up to ${allowed.quota} machines of ${allowed.organism}.`);
    return allowed;
  }
}
