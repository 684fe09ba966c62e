/** An organism on machines of Debian 12, whose OpenSSH, systemd and Caddy are older: it divides and takes back. */
import { expect, test } from 'vitest';
import { begin, end, expectOne, livingOf, orderAway, settled } from '../courses/drill.ts';
import { MAX_CELLS, newOrganism } from '../courses/organism.ts';
import { BOOKWORM } from './box.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 112;
const TIMEOUT = 240_000;

test.skipIf(needs('Debian 12', NSPAWN, KNOT))(
  'a function moves and comes home on Debian 12',
  async (context) => {
    const organism = await newOrganism({}, () => labGround(OCTET, MAX_CELLS, BOOKWORM));
    context.onTestFinished(organism.close, TIMEOUT);
    const drill = await begin(organism);
    const version = await organism.on(drill.first, '. /etc/os-release; echo $VERSION_CODENAME');
    expect(version.stdout.trim()).toBe('bookworm');
    // Its sshd takes what it knows of how a cell wants it, and does not stumble over the rest.
    expect((await organism.on(drill.first, '/usr/sbin/sshd -T')).stdout).toContain('persourcemaxstartups 50');
    await organism.tick(drill.first, { now: 'web' });
    const [, child] = livingOf(await settled(organism, 2));
    if (child === undefined) throw new Error('there is no child');
    expect(organism.running('web')).toEqual([child.name]);
    await orderAway(organism, child);
    await expectOne(organism, drill);
    await end(organism, drill);
  },
  TIMEOUT,
);
