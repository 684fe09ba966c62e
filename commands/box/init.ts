import { Flags } from '@oclif/core';
import { initBox } from '../../src/box/init.ts';
import { DEFAULT_DIR } from '../../src/box/words.ts';
import { CellCommand } from '../../src/command.ts';

const list = (text: string | undefined) => (text ?? '').split(',').filter((word) => word !== '');

export default class BoxInit extends CellCommand {
  static override summary = 'Make this Linux computer a box: a small cloud of systemd-nspawn machines.';
  static override description = 'Needs root, here only. Interrupted anywhere, the same command goes on.';
  static override examples = [
    { command: '<%= config.bin %> box init', description: 'Debian 13 machines on 10.77.0.0/24' },
    { command: '<%= config.bin %> box init --packages haproxy,postgresql', description: 'with more in the image' },
    { command: '<%= config.bin %> box init --image debian-12 --suite bookworm', description: 'one more image' },
  ];
  static override flags = {
    dir: Flags.string({ description: 'where the box keeps everything', default: DEFAULT_DIR, helpValue: 'DIR' }),
    image: Flags.string({ description: 'what the genome calls the image', default: 'debian-13', helpValue: 'NAME' }),
    suite: Flags.string({ description: 'the Debian suite it is made of', default: 'trixie' }),
    mirror: Flags.string({ description: "where packages come from [default: debootstrap's own]", helpValue: 'URL' }),
    packages: Flags.string({ description: 'more packages for the image, by commas', helpValue: 'A,B' }),
    base: Flags.string({ description: 'a root that is there already, copied instead of made', helpValue: 'FOLDER' }),
    bridge: Flags.string({ description: 'the bridge the machines are on', default: 'cellbr0', helpValue: 'NAME' }),
    network: Flags.string({ description: "the bridge's address and network", default: '10.77.0.1/24' }),
    dns: Flags.string({ description: 'the name server that machines are told', helpValue: 'ADDRESS' }),
  };

  async run() {
    const { flags } = await this.parse(BoxInit);
    const { dir, bridge, network, dns, image, suite, mirror, base } = flags;
    const made = await initBox({
      ...{ dir, bridge, network, dns },
      image: { name: image, suite, mirror, base, packages: list(flags.packages) },
      program: [process.execPath, process.argv[1] ?? ''],
      log: (line) => this.logToStderr(line),
    });
    this.log(`The box at ${made.dir} makes machines of ${made.images.join(', ')} on ${made.bridge} (${made.network}).`);
    this.log(`Limits: cpus ${made.limits.cpus}; memory ${made.limits.memory}.`);
    this.log(`Booted again with the box by ${made.startsBy}.`);
    this.log('Let an organism in with `cell box allow ORGANISM --quota N`.');
    return made;
  }
}
