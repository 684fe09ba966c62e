import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Cron } from 'croner';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cronFields } from '../../genome/cron.ts';
import { genomeSchema } from '../../genome/schema.ts';
import { reloadIngress, writeIngress } from '../../src/effects/ingress.ts';
import { cronText, install, remove, timerTexts } from '../../src/effects/schedule.ts';
import { freePort, preparedEnvironment, services } from '../../src/effects/services.ts';
import { killMode, shellLine, shellStart, unitText } from '../../src/effects/units.ts';
import { layout } from '../../src/layout.ts';

let root: string;
let path: string | undefined;
/** A `systemctl` that writes down what it was asked; it fails for the words in `fail`. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cell-os-'));
  mkdirSync(join(root, 'bin'));
  const script = `#!/bin/sh
echo "$*" >> ${root}/asked
if [ "$1" = is-active ]; then if [ -e ${root}/active ]; then echo active; else echo inactive; exit 3; fi; fi
if grep -qx "$1" ${root}/fail 2>/dev/null; then echo "Unit is not well." >&2; exit 5; fi
if [ "$1 $2" = "enable --now" ]; then : > ${root}/active; fi
if [ "$1 $2" = "disable --now" ]; then rm -f ${root}/active; fi
exit 0
`;
  writeFileSync(join(root, 'bin/systemctl'), script);
  chmodSync(join(root, 'bin/systemctl'), 0o755);
  path = process.env.PATH;
  process.env.PATH = `${join(root, 'bin')}${delimiter}${path}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(root, { recursive: true, force: true });
});

const asked = () => {
  const file = join(root, 'asked');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  rmSync(file, { force: true });
  return lines;
};

describe('the rhythm', () => {
  it.each<[number, string | null]>([
    [60_000, '* * * * *'],
    [120_000, '*/2 * * * *'],
    [1_800_000, '*/30 * * * *'],
    [3_600_000, '0 * * * *'],
    [7_200_000, '0 */2 * * *'],
    [86_400_000, '0 0 * * *'],
    [420_000, null],
    [5_400_000, null],
    [90_000, null],
    [1_000, null],
    [0, null],
    [18_000_000, null],
    [172_800_000, null],
  ])('of %i ms is %s in cron', (ms, fields) => {
    expect(cronFields(ms)).toBe(fields);
  });

  it('in cron keeps its distance all day, or is not left to cron', () => {
    const kept = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440];
    const any = fc.oneof(fc.constantFrom(...kept), fc.integer({ min: 1, max: 2000 }));
    fc.assert(
      fc.property(any, (minutes) => {
        const fields = cronFields(minutes * 60_000);
        if (fields === null) {
          expect(kept).not.toContain(minutes);
          return;
        }
        const runs = new Cron(fields, { paused: true, timezone: 'UTC', startAt: '2026-03-01T00:00:00' }).nextRuns(60);
        for (let i = 1; i < runs.length; i++) {
          expect((runs[i] as Date).getTime() - (runs[i - 1] as Date).getTime()).toBe(minutes * 60_000);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is a line of cron that starts the unit, so that a tick is in the journal either way', () => {
    const text = cronText({ layout: layout('/r'), heartbeatMs: 60_000, organism: 'garden' });
    expect(text).toBe('# The heartbeat of garden.\n* * * * * root systemctl start --no-block cell-tick.service\n');
  });

  it('below a minute is a timer', () => {
    const { service, timer } = timerTexts({ layout: layout('/r'), heartbeatMs: 1_500, organism: 'garden' });
    expect(service).toContain('Type=oneshot\nExecStart="/r/opt/cell/bin/cell" divide\n');
    expect(timer).toContain('OnActiveSec=1500ms\nOnUnitActiveSec=1500ms\nAccuracySec=10ms\n');
  });

  it('changes between the two, and is left alone when it is right', async () => {
    const at = layout(root);
    const rhythm = { layout: at, organism: 'garden' };
    const timer = join(at.units, 'cell-tick.timer');
    expect(await install({ ...rhythm, heartbeatMs: 60_000 })).toBe(true);
    expect(await install({ ...rhythm, heartbeatMs: 60_000 })).toBe(false);
    expect(asked()).toEqual(['daemon-reload']);
    expect(existsSync(at.cronFile)).toBe(true);

    expect(await install({ ...rhythm, heartbeatMs: 1_000 })).toBe(true);
    expect(existsSync(at.cronFile)).toBe(false);
    expect(asked()).toContain('enable --now cell-tick.timer');
    expect(await install({ ...rhythm, heartbeatMs: 1_000 })).toBe(false);
    expect(asked()).toEqual(['is-active cell-tick.timer']);
    expect(await install({ ...rhythm, heartbeatMs: 2_000 })).toBe(true);
    expect(asked().slice(-2)).toEqual(['enable --now cell-tick.timer', 'restart cell-tick.timer']);

    expect(await install({ ...rhythm, heartbeatMs: 60_000 })).toBe(true);
    expect(asked()).toEqual(['disable --now cell-tick.timer', 'daemon-reload']);
    expect([existsSync(timer), existsSync(at.cronFile)]).toEqual([false, true]);
    await remove(at);
    await remove(at);
    expect(existsSync(at.cronFile)).toBe(false);
    await expect(install({ ...rhythm, heartbeatMs: 0 })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('services', () => {
  const genome = genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.test',
    clouds: {},
    dns: { provider: 'local' },
    functions: { web: { run: 'node server.js "$PORT" 100%', env: { HOST: 'mine', LEVEL: 3, FLAG: true } } },
  });
  const gene = genome.functions.web as (typeof genome.functions)[string];

  it('are prepared, started, asked, stopped and removed', async () => {
    const at = layout(root);
    const what = {
      gene,
      layout: at,
      host: '127.7.7.7',
      port: 20_001,
      organism: 'garden',
      cell: 'amber-fox',
      env: { S: 'a\n"$x"' },
    };
    expect(await services.prepare('web', what)).toBe(true);
    expect(await services.prepare('web', what)).toBe(false);
    expect(await services.prepare('web', { ...what, port: 20_002 })).toBe(true);
    const folder = join(at.functions, 'web');
    expect(await preparedEnvironment(at, 'web')).toEqual({
      LEVEL: '3',
      FLAG: 'true',
      S: 'a\n"$x"',
      HOST: '127.7.7.7',
      PORT: '20002',
      CELL_FUNCTION: 'web',
      CELL_DATA: folder,
      CELL_WHERE: at.whereFile,
      CELL_ORGANISM: 'garden',
      CELL_NAME: 'amber-fox',
    });
    const unit = readFileSync(join(at.units, 'cell-fn-web.service'), 'utf8');
    expect(unit).toContain('ExecStart=/bin/sh -c "node server.js \\"$$PORT\\" 100%%"\n');
    expect(unit).toContain(`WorkingDirectory=${folder}\n`);
    expect(await services.isActive('web')).toBe(false);
    await services.start('web');
    expect(await services.isActive('web')).toBe(true);
    await services.restart('web');
    await services.stop('web');
    asked();
    await services.remove('web', at);
    await services.remove('web', at);
    expect(asked()).toEqual(['disable --now cell-fn-web.service', 'daemon-reload']);
    expect(existsSync(folder)).toBe(true);
    expect(await preparedEnvironment(at, 'web')).toEqual({});
  });

  it('say why systemd refused, and when there is none', async () => {
    writeFileSync(join(root, 'fail'), 'disable\n');
    await expect(services.stop('web')).rejects.toMatchObject({ code: 'REMOTE_FAILED', why: 'Unit is not well.' });
    process.env.PATH = join(root, 'empty');
    await expect(services.stop('web')).rejects.toMatchObject({ code: 'REMOTE_FAILED' });
  });

  it.each([
    ['node web.js --port 80', 'exec node web.js --port 80', 'mixed'],
    ['./serve', 'exec ./serve', 'mixed'],
    ['node web.js | tee log', 'node web.js | tee log', 'control-group'],
    ['PORT=80 node web.js', 'PORT=80 node web.js', 'control-group'],
    ['exec node web.js', 'exec node web.js', 'control-group'],
    ['. ./serve.sh', '. ./serve.sh', 'control-group'],
    ['! false', '! false', 'control-group'],
    ['"my server" 1', '"my server" 1', 'control-group'],
    ['', '', 'control-group'],
  ])('ask a plain command alone to stop, and every process of a script: %s', (run, line, kill) => {
    expect([shellLine(run), killMode(run)]).toEqual([line, kill]);
  });

  it('never split a setting over lines', () => {
    expect(
      unitText({
        name: 'web',
        gene,
        start: shellStart('a\nInjected=1'),
        folder: '/srv',
        environment: '/etc/web.env',
        user: null,
        hidden: [],
      })
        .split('\n')
        .filter((line) => line.startsWith('Injected')),
    ).toEqual([]);
  });

  it('get a port that is free and not promised', async () => {
    const { createServer } = await import('node:net');
    const first = await freePort('127.0.0.1', () => 0.5);
    const server = createServer();
    await new Promise<void>((done) => server.listen(first, '127.0.0.1', done));
    try {
      const second = await freePort('127.0.0.1', () => 0.5);
      expect(second).not.toBe(first);
      expect(await freePort('127.0.0.1', () => 0.5, new Set([second]))).not.toBe(second);
      expect(second).toBeGreaterThanOrEqual(20_000);
      expect(second).toBeLessThan(30_000);
    } finally {
      await new Promise((done) => server.close(done));
    }
  });
});

describe('the ingress', () => {
  it('is told of changes only, and not forgotten when a tick died before the reload', async () => {
    const at = layout(root);
    const routes = [
      {
        domain: 'www.garden.test',
        function: 'web',
        upstreams: [{ address: '127.7.7.7', port: 20_001 }],
        tryFor: 10_000,
      },
      { port: 7_000, function: 'api', upstreams: [], tryFor: 1 },
    ];
    expect(await writeIngress(at, routes)).toBe(true);
    expect(JSON.parse(readFileSync(at.ingressFile, 'utf8'))).toEqual({ v: 1, routes });
    expect(await writeIngress(at, routes)).toBe(true);
    await reloadIngress(at);
    expect(asked()).toEqual(['reload cell-ingress']);
    expect(await writeIngress(at, routes)).toBe(false);
    expect(await writeIngress(at, [])).toBe(true);
    expect(JSON.parse(readFileSync(at.ingressFile, 'utf8'))).toEqual({ v: 1, routes: [] });
    writeFileSync(join(root, 'fail'), 'reload\n');
    await expect(reloadIngress(at)).rejects.toMatchObject({ code: 'REMOTE_FAILED' });
    expect(await writeIngress(at, [])).toBe(true);
  });
});
