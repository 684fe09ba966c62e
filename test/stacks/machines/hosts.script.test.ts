/** The script of `hosts` on the machine itself: who wins, what stays the owner's, and being killed at any line. */
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { becomeCell, cutOff, HOST_KEY, KEY, openPlot, type Plot } from './hosts.support.ts';

let plot: Plot;
beforeEach(() => {
  plot = openPlot();
});
afterEach(() => plot.close());

const look = () => plot.run(['look', HOST_KEY]);
const release = (birth: string, organism = 'garden') => plot.run(['release', organism, birth]);
const keysFile = 'root/.ssh/authorized_keys';

describe('a claim', () => {
  test('of a blank machine is made once, adopted by the same birth, and seen by others', async () => {
    expect(await look()).toEqual({ is: 'free' });
    expect(await plot.claim('b1')).toEqual({ is: 'claimed', root: plot.root });
    const first = plot.listing();
    expect(await plot.claim('b1')).toEqual({ is: 'claimed', root: plot.root });
    expect(Object.keys(plot.listing())).toEqual(Object.keys(first));
    const held = { is: 'held', state: 'claimed', organism: 'garden', birth: 'b1', parent: 'seed', root: plot.root };
    expect(await look()).toEqual(held);
    expect(await plot.claim('b2')).toEqual(held);
    expect(await plot.claim('b1', 3600, 'weeds')).toEqual(held);
    expect(plot.read(keysFile).split('\n')).toContain(`${KEY} imprint`);
  });

  test('by forty at once is made by one', async () => {
    const births = Array.from({ length: 40 }, (_, index) => `b${index}`);
    const answers = await Promise.all(births.map((birth) => plot.claim(birth)));
    const winners = births.filter((_birth, index) => answers[index]?.is === 'claimed');
    expect(winners).toHaveLength(1);
    expect(answers.filter((answer) => answer?.is === 'held' && answer.birth === winners[0])).toHaveLength(39);
    expect(plot.read('var/lib/cell-claim/claim')).toContain(`birth=${winners[0]}\n`);
  });

  test.each([
    ['var/lib/cell/organism.json', '{"v":1,"organism":"weeds"}', { is: 'cell', organism: 'weeds' }],
    ['opt/cell/mine', '', { is: 'lacks', what: 'blank ROOT/opt/cell' }],
    ['etc/cron.d/cell', '', { is: 'lacks', what: 'blank ROOT/etc/cron.d/cell' }],
    ['etc/systemd/system/cell-fn-x.service', '', { is: 'lacks', what: 'blank cell-fn-x.service' }],
    ['etc/ssh/sshd_config.d/00-cell.conf', '', { is: 'lacks', what: 'blank ROOT/etc/ssh/sshd_config.d/00-cell.conf' }],
  ])('is refused where %s is there already, and changes nothing', async (path, text, answer) => {
    plot.write(path, text);
    const before = plot.listing();
    const expected = JSON.parse(JSON.stringify(answer).replace('ROOT', plot.root));
    expect(await look()).toEqual(expected);
    expect(await plot.claim('b1')).toEqual(expected);
    expect(plot.listing()).toEqual(before);
  });

  test('is refused where sshd has another key than the one that a cell would leave it', async () => {
    plot.write('etc/ssh/ssh_host_ed25519_key.pub', 'ssh-ed25519 AAAAother root@plot\n');
    expect(await plot.claim('b1')).toEqual({ is: 'lacks', what: 'hostkey' });
  });

  test('that ran out is taken over by the next, and cleaned up first', async () => {
    await plot.claim('b1', 0);
    plot.write('opt/cell/store/half', 'half an imprint');
    expect(await look()).toMatchObject({ is: 'held', state: 'expired', birth: 'b1' });
    expect(await plot.claim('b2', 3600, 'weeds')).toMatchObject({ is: 'claimed' });
    expect(existsSync(join(plot.root, 'opt/cell'))).toBe(false);
    expect(await plot.claim('b1')).toMatchObject({ is: 'held', organism: 'weeds', birth: 'b2' });
    expect(await release('b1')).toEqual({ is: 'gone' });
    expect(await look()).toMatchObject({ is: 'held', organism: 'weeds' });
  });

  test('that ran out while forty wait is taken over by one', async () => {
    await plot.claim('old', 0);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => plot.claim(`b${index}`)));
    expect(answers.filter((answer) => answer?.is === 'claimed')).toHaveLength(1);
  });

  test('that a loss of power cut short has no owner, and is taken over', async () => {
    plot.write('var/lib/cell-claim/claim', '');
    expect(await look()).toMatchObject({ is: 'held', state: 'expired', organism: '' });
    expect(await plot.claim('b1')).toMatchObject({ is: 'claimed' });
  });

  test('of a living cell does not run out', async () => {
    await plot.claim('b1', 0);
    becomeCell(plot, 'b1');
    expect(await look()).toMatchObject({ is: 'held', state: 'living', birth: 'b1' });
    expect(await plot.claim('b2')).toMatchObject({ is: 'held', state: 'living', birth: 'b1' });
  });

  test('is renewed by its own birth, and can get another parent', async () => {
    await plot.claim('b1', 0);
    await plot.claim('b1', 3600);
    expect(await look()).toMatchObject({ state: 'claimed', parent: 'seed' });
    expect(await plot.run(['tag', 'garden', 'b1', 'heir', '3600'])).toMatchObject({ is: 'claimed' });
    expect(await look()).toMatchObject({ state: 'claimed', parent: 'heir' });
    expect(await plot.run(['tag', 'garden', 'b2', 'heir', '3600'])).toEqual({ is: 'gone' });
  });
});

describe("the owner's keys", () => {
  const OWN = ['# mine', 'ssh-ed25519 AAAAowner me@desk', '', 'from="10.0.0.0/8" ssh-rsa AAAAold'].join('\n');

  test.each([OWN, `${OWN}\n`, '', '\n\n'])('stay to the byte: %j', async (text) => {
    plot.write(keysFile, text, 0o640);
    const before = plot.listing();
    await plot.claim('b1');
    expect(plot.read(keysFile).endsWith(text)).toBe(true);
    expect(plot.listing()[keysFile]).toMatch(/^640 /);
    becomeCell(plot, 'b1');
    expect(await release('b1')).toEqual({ is: 'released' });
    expect(plot.listing()).toEqual(before);
  });

  test('that were added meanwhile stay, too', async () => {
    plot.write(keysFile, OWN);
    await plot.claim('b1');
    plot.write(keysFile, `ssh-ed25519 AAAAnew\n${plot.read(keysFile)}\nssh-ed25519 AAAAlast\n`);
    await plot.claim('b1');
    expect(plot.read(keysFile).match(/AAAAfirst imprint/g)).toHaveLength(1);
    await release('b1');
    expect(plot.read(keysFile)).toBe(`ssh-ed25519 AAAAnew\n${OWN}\nssh-ed25519 AAAAlast\n`);
  });

  test('are not lost with a marker', async () => {
    await plot.claim('b1');
    plot.write(keysFile, `${plot.read(keysFile).replace(/# cell: end.*\n/, '')}${OWN}`);
    await release('b1');
    expect(plot.read(keysFile)).toContain(OWN);
  });

  test('are not where a cell would look: refused', async () => {
    plot.write('root/keys/authorized_keys', OWN);
    symlinkSync('keys', join(plot.root, 'root/.ssh'));
    expect(await plot.claim('b1')).toEqual({ is: 'lacks', what: 'keys' });
  });
});

/** Kills the script after each line that it comes by, on a new plot each time; gives how many lines that were. */
async function killedAtEach(
  args: readonly string[],
  before: () => Promise<void>,
  then: (line: number) => Promise<void>,
) {
  await before();
  const scripts = await cutOff(plot, args);
  for (const [line, script] of scripts) {
    plot.close();
    plot = openPlot();
    await before();
    expect([line, await plot.run(args, script)]).toEqual([line, null]);
    await then(line);
  }
  return scripts.size;
}

describe('killed after any line', () => {
  test('a claim is held by the one who was killed, who goes on, or by nobody', { timeout: 300_000 }, async () => {
    const held = new Set<boolean>();
    let untouched = {};
    const begin = async () => {
      plot.write(keysFile, 'ssh-ed25519 AAAAowner');
      untouched = plot.listing();
    };
    const args = ['claim', 'garden', 'b1', 'seed', '3600', KEY, HOST_KEY];
    const lines = await killedAtEach(args, begin, async (line) => {
      const other = await plot.claim('b2', 3600, 'weeds');
      held.add(other?.is === 'held');
      if (other?.is === 'held') expect([line, other.birth]).toEqual([line, 'b1']);
      else expect([line, await release('b2', 'weeds')]).toEqual([line, { is: 'released' }]);
      expect([line, await plot.claim('b1')]).toEqual([line, { is: 'claimed', root: plot.root }]);
      expect(plot.read(keysFile).match(/AAAAowner|AAAAfirst imprint/g)).toEqual(['AAAAfirst imprint', 'AAAAowner']);
      expect([line, await release('b1')]).toEqual([line, { is: 'released' }]);
      expect([line, plot.listing()]).toEqual([line, untouched]);
    });
    expect(lines).toBeGreaterThan(40);
    expect(held.size).toBe(2);
  });

  test('a release is finished by itself or by whoever claims, and the machine is as it was', {
    timeout: 300_000,
  }, async () => {
    let untouched = {};
    let turn = 0;
    const begin = async () => {
      plot.write(keysFile, 'ssh-ed25519 AAAAowner\n');
      untouched = plot.listing();
      await plot.claim('b1', 0);
      becomeCell(plot, 'b1');
    };
    const lines = await killedAtEach(['release', 'garden', 'b1'], begin, async (line) => {
      const next = [null, 'b1', 'b2'][turn++ % 3];
      const answer = next ? await plot.claim(next) : null;
      if (answer?.is === 'held') expect([line, answer.state]).toEqual([line, 'living']);
      else if (answer !== null) expect([line, answer]).toEqual([line, { is: 'claimed', root: plot.root }]);
      for (const birth of ['b1', 'b2']) await release(birth);
      expect([line, plot.listing()]).toEqual([line, untouched]);
    });
    expect(lines).toBeGreaterThan(45);
  });
});
