/**
 * Droplets of the stand-in as machines of a box on this computer: what a cell rents by the API boots, and lives. Beside it
 * what makes that a whole cloud: name servers for its domain, and a laptop whose resolver knows them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer } from 'dns-packet';
import { createMachine, removeMachine } from '../../src/box/machines.ts';
import { machineId } from '../../src/box/words.ts';
import { letIn } from '../digitalocean/cloud.support.ts';
import { type Cloud, type Machines, startCloud } from '../digitalocean/cloud.ts';
import { settledBy } from '../digitalocean/cloud-init.ts';
import { installPlugin } from '../digitalocean/plugin/install.ts';
import { closeServers, serve } from '../effects/dns/udp.support.ts';
import { type LabBox, startBox } from './box.ts';

/** Whose machines they are on the box, and how many there may be. */
const MAKER = 'droplet';
const MOST = 20;
/** As the maker calls what the box has. */
const IMAGES: Readonly<Record<string, string>> = { 'debian-13-x64': 'debian-13', 'debian-12-x64': 'debian-12' };

export interface Rented {
  readonly cloud: Cloud;
  readonly box: LabBox;
  /** Where the name servers of the zone answer, and whoever asks with what they know. */
  readonly dns: { readonly address: string; readonly port: number };
  /** Words before a command line that let it run as on a laptop elsewhere: the plugin on PATH, another resolver. */
  readonly laptop: readonly string[];
  /** Machines on the box. */
  machines(): readonly string[];
  /** The plug of a droplet is pulled. */
  cutPower(id: number): Promise<void>;
  close(): Promise<void>;
}

export interface Renting {
  readonly octet: number;
  readonly zone: string;
}

export async function startRenting({ octet, zone }: Renting): Promise<Rented> {
  const address = `10.${octet}.0.1`;
  const dns = { address, port: 53 };
  const folder = mkdtempSync(join(tmpdir(), 'cell-droplets-'));
  const bin = join(folder, 'bin');
  if ((await installPlugin(bin)) === 'for tests')
    process.stderr.write(
      "lab: DigitalOcean's own plugin is not on PATH: its resources are made by the one for tests\n",
    );
  const box = await startBox({ octet, dns: address });
  const cloud = await startCloud({
    ...{ zone, address, machines: dropletsOn(box) },
    ...{ unlistedMs: 1_500, lingersMs: 3_000 },
  });
  letIn(cloud);
  const names = await serve(address, dns.port, zoneOf(cloud, address));
  cloud.domains.changed = () => {
    names.records = zoneOf(cloud, address);
  };
  const resolver = join(folder, 'resolv.conf');
  writeFileSync(resolver, `nameserver ${address}\n`);
  const enter = 'mount --bind "$1" /etc/resolv.conf && PATH="$2:$PATH" && export PATH && shift 2 && exec "$@"';
  return {
    ...{ cloud, box, dns },
    laptop: ['unshare', '--mount', 'sh', '-c', enter, 'sh', resolver, bin],
    machines: () => box.machines().map(({ id }) => id),
    cutPower: (id) => box.powerOff(idOf(id)),
    async close() {
      await cloud.close();
      await closeServers();
      await box.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const birthOf = (id: number) => `d${id}`;
const idOf = (id: number) => machineId(MAKER, birthOf(id));

/** Each is an image settled by its user data, and nothing else: what a cell needs comes from its parent. */
function dropletsOn({ box }: LabBox): Machines {
  return {
    async make({ id, image, userData, keys }) {
      const { hostKey, rootKeys } = settledBy(userData, keys);
      const [imprintKey, ...others] = rootKeys;
      if (hostKey === null || imprintKey === undefined || others.length > 0)
        throw new Error(`a droplet of a cell has a host key and one key for root, not ${rootKeys.length}`);
      const { address } = await createMachine(box, MAKER, MOST, {
        ...{ birth: birthOf(id), parent: 'digitalocean', cloud: 'digitalocean', imprintKey, hostKey },
        image: IMAGES[image] ?? image,
      });
      return { ipv4: address };
    },
    end: (id) => removeMachine(box, idOf(id)),
  };
}

/** What the name servers show: the zone itself, and its records. */
function zoneOf({ domains }: Cloud, address: string): readonly Answer[] {
  const { zone, records } = domains;
  const shown = records.map(({ type, name, data, ttl }): Answer => {
    const own = { name: name === '@' ? zone : `${name}.${zone}`, ttl };
    return type === 'TXT' ? { ...own, type, data } : { ...own, type: type as 'A' | 'AAAA', data };
  });
  return [
    { type: 'NS', name: zone, ttl: 1800, data: `ns1.${zone}` },
    { type: 'A', name: `ns1.${zone}`, ttl: 1800, data: address },
    ...shown,
  ];
}
