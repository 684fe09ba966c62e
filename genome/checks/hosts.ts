/** Machines that are listed: each once, each with a key of its own, and enough of them for what the organism may become. */
import type { Path } from '../finding.ts';
import type { CloudGene, Genome } from '../schema.ts';
import type { Report } from './complaint.ts';

type Hosts = Extract<CloudGene, { provider: 'hosts' }>;

const LOOPBACK = /^(?:127\.|localhost$|::1$)/;

interface Listed {
  readonly at: Path;
  readonly where: string;
  readonly address: string;
  readonly key: string;
}

export function checkHosts(genome: Genome, report: Report): void {
  const clouds = Object.entries(genome.clouds).filter(
    (entry): entry is [string, Hosts] => entry[1].provider === 'hosts',
  );
  const listed = clouds.flatMap(([name, { machines }]) =>
    machines.map(
      ({ address, port, hostKey }, index): Listed => ({
        at: ['clouds', name, 'machines', index],
        where: `${address.toLowerCase()}:${port}`,
        address,
        key: hostKey.split(' ')[1] ?? '',
      }),
    ),
  );
  checkTwice(listed, report);
  checkReach(genome, listed, report);
  checkEnough(genome, listed.length, clouds.length, report);
}

function checkTwice(listed: readonly Listed[], report: Report): void {
  const places = new Map<string, Listed>();
  const keys = new Map<string, Listed>();
  for (const machine of listed) {
    const { at, where, key } = machine;
    const same = places.get(where);
    if (same !== undefined) {
      report({
        code: 'machine-twice',
        at: [...at, 'address'],
        message: `${where} is listed already`,
        expected: 'each machine once: it can be one cell only',
        because: [[...same.at, 'address']],
      });
      continue;
    }
    places.set(where, machine);
    const twin = keys.get(key);
    if (twin === undefined) keys.set(key, machine);
    else {
      report({
        severity: 'warning',
        code: 'host-key-twice',
        at: [...at, 'hostKey'],
        message: `${twin.where} has the same host key: it is the same machine, or one is a copy of the other`,
        expected: 'a key of its own for each machine: ssh-keygen -A makes what is missing',
        because: [[...twin.at, 'hostKey']],
      });
    }
  }
}

/** Cells claim further machines from where they are, where this computer's loopback is not this computer's. */
function checkReach(genome: Genome, listed: readonly Listed[], report: Report): void {
  for (const { at, address } of listed) {
    if (genome.body.maxCells === 1 || !LOOPBACK.test(address)) continue;
    report({
      code: 'machine-on-loopback',
      at: [...at, 'address'],
      message: `${address} is each machine itself, so no cell but the first could claim it`,
      expected: 'an address at which the other machines reach it',
      because: [['body', 'maxCells']],
    });
  }
}

/** Only where nothing else could give a machine. */
function checkEnough(genome: Genome, machines: number, clouds: number, report: Report): void {
  if (clouds === 0 || clouds < Object.keys(genome.clouds).length || genome.body.maxCells <= machines) return;
  report({
    severity: 'warning',
    code: 'too-few-machines',
    at: ['body', 'maxCells'],
    message: `${machines} ${machines === 1 ? 'machine is' : 'machines are'} listed, so there will never be ${genome.body.maxCells} cells`,
    expected: `at most ${machines}, or more machines`,
    because: [['clouds']],
  });
}
