/** Parts of the local machine by themselves: the journal's files, claims that nobody stands behind, waiting for requests. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claim, unclaimAll } from '../../src/local/claims.ts';
import { userFolder } from '../../src/local/host.ts';
import { appendJournal, JOURNAL_CAP, lineWriter } from '../../src/local/journal.ts';
import { journalctl } from '../../src/local/journalctl.ts';
import { Upstreams } from '../../src/local/upstreams.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-parts-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('the journal', () => {
  const shown = (...args: string[]) => {
    let out = '';
    journalctl(base, ['-o', 'cat', ...args], (text) => {
      out += text;
    });
    return out.split('\n').slice(0, -1);
  };
  beforeEach(() => void mkdirSync(join(base, 'var/log/journal'), { recursive: true }));

  test('keeps the last file beside the present one, and no more', () => {
    const file = join(base, 'var/log/journal/a.service.log');
    const line = (index: number) => `${index} ${'x'.repeat(JOURNAL_CAP / 10)}`;
    for (let index = 0; index < 25; index++) appendJournal(base, 'a.service', 1, line(index));
    expect(statSync(file).size).toBeLessThanOrEqual(JOURNAL_CAP);
    expect(statSync(`${file}.1`).size).toBeLessThanOrEqual(JOURNAL_CAP);
    const kept = shown('-u', 'a').map((text) => Number(text.split(' ')[0]));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_one, index) => 25 - kept.length + index));
    expect(kept.length).toBeGreaterThan(9);
    expect(kept.length).toBeLessThan(20);
    expect(shown('-u', 'a', '-n', '2')).toEqual([line(23), line(24)]);
  });

  test('goes on in a folder that was taken away', () => {
    appendJournal(base, 'a.service', 1, 'before');
    rmSync(join(base, 'var'), { recursive: true });
    appendJournal(base, 'a.service', 1, 'lost');
    appendJournal(base, 'a.service', 1, 'after');
    expect(shown('-u', 'a')).toEqual(['after']);
  });

  test('takes whole lines out of pieces, also of characters', () => {
    const writer = lineWriter(base, 'a.service', 7);
    const bytes = Buffer.from('one\ntwö\nthree');
    for (const byte of bytes) writer.write(Buffer.of(byte));
    expect(shown('-u', 'a')).toEqual(['one', 'twö']);
    writer.end();
    expect(shown('-u', 'a')).toEqual(['one', 'twö', 'three']);
    expect(readFileSync(join(base, 'var/log/journal/a.service.log'), 'utf8')).toMatch(/^\S+Z 7 one$/m);
  });
});

describe('a claim', () => {
  const ADDRESS = '127.81.1.200';
  const folder = (name: string, address?: string) => {
    const at = join(base, name);
    mkdirSync(at, { recursive: true });
    if (address !== undefined) writeFileSync(join(at, 'machine.json'), JSON.stringify({ v: 1, address }));
    return at;
  };

  test('whose machine settled elsewhere is taken over', () => {
    const one = folder('one');
    expect(claim(base, ADDRESS, one)).toBe(true);
    folder('one', ADDRESS);
    expect(claim(base, ADDRESS, folder('two'))).toBe(false);
    folder('one', '127.81.1.201');
    expect(claim(base, ADDRESS, folder('two'))).toBe(true);
    expect(claim(base, ADDRESS, one)).toBe(false);
  });

  test('whose machine was never written is respected for a while', () => {
    expect(claim(base, ADDRESS, join(base, 'never'))).toBe(true);
    expect(claim(base, ADDRESS, folder('two'))).toBe(false);
    const long = Date.now() / 1000 - 120;
    utimesSync(join(userFolder(base), 'claims', ADDRESS), long, long);
    expect(claim(base, ADDRESS, folder('two'))).toBe(true);
  });

  test('is given back by folder, and others stay', () => {
    expect(claim(base, ADDRESS, folder('one'))).toBe(true);
    expect(claim(base, '127.81.1.201', folder('two', '127.81.1.201'))).toBe(true);
    unclaimAll(base, folder('one'));
    unclaimAll(join(base, 'nothing'), folder('one'));
    expect(claim(base, ADDRESS, folder('three'))).toBe(true);
    expect(claim(base, '127.81.1.201', folder('three'))).toBe(false);
  });
});

describe('draining upstreams', () => {
  const up = (port: number) => ({ address: '127.0.0.1', port });

  test('ends with the last request to one that is gone, and asks nothing of those that stay', async () => {
    const upstreams = new Upstreams();
    const [first, second] = [upstreams.begin(up(1)), upstreams.begin(up(1))];
    upstreams.begin(up(2));
    let drained = false;
    const draining = upstreams.drain([up(2)], 10_000).then(() => {
      drained = true;
    });
    first();
    await new Promise(setImmediate);
    expect(drained).toBe(false);
    second();
    await draining;
    upstreams.close();
  });

  test('ends when its time is up, whatever still runs', async () => {
    const upstreams = new Upstreams();
    upstreams.begin(up(1));
    const began = performance.now();
    await upstreams.drain([], 150);
    expect(performance.now() - began).toBeGreaterThanOrEqual(140);
    upstreams.close();
  });
});
