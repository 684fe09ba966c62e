/** Machines of one's own: whether they can reach what they need, and whether what is said of them agrees. */
import type { Path } from '../finding.ts';
import type { CloudGene, Genome } from '../schema.ts';
import type { Report } from './complaint.ts';

type Box = Extract<CloudGene, { provider: 'nspawn' }>;

const LOOPBACK = /^(?:127\.|localhost$|::1$)/;

export function checkMachines(genome: Genome, report: Report): void {
  const boxes = Object.entries(genome.clouds).filter((entry): entry is [string, Box] => entry[1].provider === 'nspawn');
  for (const [name, gene] of boxes) {
    checkReach(genome, name, gene, report);
    checkLimits(genome, name, gene, report);
  }
  checkHostKeys(boxes, report);
}

/** A cell that makes another does so from its own machine, where this computer's loopback is not this computer's. */
function checkReach(genome: Genome, name: string, { box }: Box, report: Report): void {
  const at: Path = ['clouds', name, 'box', 'address'];
  if (genome.body.maxCells > 1 && LOOPBACK.test(box.address)) {
    report({
      code: 'box-on-loopback',
      at,
      message: `${box.address} is each machine itself, so no cell but the first could be made`,
      expected: "an address of the box that its machines reach, such as the bridge's: 10.77.0.1",
      because: [['body', 'maxCells']],
    });
  }
}

/** A limit that a machine cannot give is none. */
function checkLimits(genome: Genome, name: string, { cpus, memory }: Box, report: Report): void {
  for (const [functionName, { limits }] of Object.entries(genome.functions)) {
    const wide: [keyof typeof limits, string][] = [];
    if (memory !== undefined && (limits.memory ?? 0) > memory) wide.push(['memory', 'memory']);
    if (cpus !== undefined && (limits.cpu ?? 0) > cpus * 100) wide.push(['cpu', 'cpus']);
    for (const [limit, key] of wide) {
      report({
        severity: 'warning',
        code: 'limit-over-machine',
        at: ['functions', functionName, 'limits', limit],
        message: `a machine of cloud \`${name}\` has less than that`,
        expected: `at most ${key} of the cloud`,
        because: [['clouds', name, key]],
      });
    }
  }
}

/** One sshd answers with one key. */
function checkHostKeys(boxes: readonly (readonly [string, Box])[], report: Report): void {
  const known = new Map<string, readonly [string, string]>();
  for (const [name, { box }] of boxes) {
    const where = `${box.address}:${box.port}`;
    const key = box.hostKey.split(' ')[1] ?? '';
    const [other, otherKey] = known.get(where) ?? [];
    if (other === undefined) known.set(where, [name, key]);
    else if (key !== otherKey) {
      report({
        code: 'two-host-keys',
        at: ['clouds', name, 'box', 'hostKey'],
        message: `cloud \`${other}\` pins another host key for ${where}`,
        expected: 'one key: that of /etc/ssh/ssh_host_ed25519_key.pub on the box',
        because: [['clouds', other, 'box', 'hostKey']],
      });
    }
  }
}
