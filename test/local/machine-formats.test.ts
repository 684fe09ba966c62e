/** The pure parts of the local machine: authorized_keys, crontabs, unit files, timers, routes, arguments. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shellLine, shellStart, unitText } from '../../src/effects/units.ts';
import { parseAuthorizedKeys } from '../../src/local/authorized.ts';
import { parseArguments } from '../../src/local/control.ts';
import { isDue, parseCrontab } from '../../src/local/crontab.ts';
import { parseOptions } from '../../src/local/journalctl.ts';
import { domainOf, parseRoutes } from '../../src/local/routes.ts';
import { nextDue } from '../../src/local/timer.ts';
import { parseSpan, parseUnit, type TimerUnit } from '../../src/local/unitfile.ts';
import { expandWords, splitWords } from '../../src/local/words.ts';

const KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIMaGe1J6dMvsB4ZyJ4JwAOMcLRp3x3Vh4zqPRrzvpKsh';

describe('authorized_keys', () => {
  test.each([
    [`ssh-ed25519 ${KEY} somebody`, { command: null, pty: true }],
    [`restrict ssh-ed25519 ${KEY}`, { command: null, pty: false }],
    [`restrict,pty ssh-ed25519 ${KEY}`, { command: null, pty: true }],
    [`command="/opt/a b, c \\"d\\"",restrict ssh-ed25519 ${KEY} x`, { command: '/opt/a b, c "d"', pty: false }],
    [`restrict,COMMAND="true" ssh-ed25519 ${KEY}`, { command: 'true', pty: false }],
  ])('%s', (line, expected) => {
    expect(parseAuthorizedKeys(`# comment\n\n${line}\n`)).toMatchObject([expected]);
  });

  test.each([
    `from="10.0.0.1" ssh-ed25519 ${KEY}`,
    `unknown-option ssh-ed25519 ${KEY}`,
    `command="a",command="b" ssh-ed25519 ${KEY}`,
    `command=bare ssh-ed25519 ${KEY}`,
    'ssh-ed25519 AAAA',
    `ssh-rsa ${KEY}`,
    `# ssh-ed25519 ${KEY}`,
    `a b ssh-ed25519 ${KEY}`,
  ])('grants nothing: %s', (line) => expect(parseAuthorizedKeys(line)).toEqual([]));

  test('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseAuthorizedKeys(text)));
  });
});

describe('crontabs', () => {
  test('have variables, users, nicknames and percent signs', () => {
    const { jobs, errors } = parseCrontab(
      'A=1\n# no\n*/5 * * * * root run --x\nB="two words"\n@hourly cell go\n@reboot root up\n0 0 * * * root cat%a%b\\%\nbroken line\n61 * * * * root x\n',
    );
    expect(jobs).toEqual([
      { pattern: '*/5 * * * *', user: 'root', command: 'run --x', stdin: '', env: { A: '1' } },
      { pattern: '@hourly', user: 'cell', command: 'go', stdin: '', env: { A: '1', B: 'two words' } },
      { pattern: '@reboot', user: 'root', command: 'up', stdin: '', env: { A: '1', B: 'two words' } },
      { pattern: '0 0 * * *', user: 'root', command: 'cat', stdin: 'a\nb%\n', env: { A: '1', B: 'two words' } },
    ]);
    expect(errors.map((error) => error.line)).toEqual([8, 9]);
  });

  test.each([
    ['* * * * *', '2026-03-04T05:06:42', true],
    ['*/5 * * * *', '2026-03-04T05:05:00', true],
    ['*/5 * * * *', '2026-03-04T05:06:00', false],
    ['30 4 * * 1-5', '2026-03-04T04:30:59', true],
    ['30 4 * * 0', '2026-03-04T04:30:00', false],
    ['@hourly', '2026-03-04T05:00:05', true],
    ['@hourly', '2026-03-04T05:01:00', false],
    ['@reboot', '2026-03-04T05:00:00', false],
  ])('%s at %s: %s', (pattern, at, due) => {
    expect(isDue({ pattern, user: 'root', command: '', stdin: '', env: {} }, new Date(at))).toBe(due);
  });
});

describe('unit files', () => {
  test('a service', () => {
    const unit = parseUnit(
      'cell-fn-web.service',
      `[Unit]
Description=Web of %n
; comment
[Service]
ExecStart=/bin/sh -c 'echo "a b" \\
  100%%'
Environment=A=1 "B=two words"
Environment=C=3
EnvironmentFile=-/etc/none
Restart=always
RestartSec=1min 30s
TimeoutStopSec=500ms
KillMode=control-group
Unknown=passed over
[Install]
WantedBy=multi-user.target
`,
    );
    expect(unit).toMatchObject({
      kind: 'service',
      type: 'simple',
      start: [{ words: ['/bin/sh', '-c', 'echo "a b"    100%'], ignoreFailure: false }],
      environment: { A: '1', B: 'two words', C: '3' },
      environmentFiles: [{ path: '/etc/none', optional: true }],
      restart: 'always',
      restartDelay: 90_000,
      stopTimeout: 500,
      wantedBy: ['multi-user.target'],
    });
  });

  test('an empty assignment clears a list', () => {
    const unit = parseUnit(
      'a.service',
      '[Service]\nType=oneshot\nExecStart=a\nExecStart=\nExecStart=-b\nExecStart=c\n',
    );
    expect(unit).toMatchObject({ start: [{ words: ['b'], ignoreFailure: true }, { words: ['c'] }] });
  });

  test('a timer means the service of its name unless it says another', () => {
    expect(parseUnit('t.timer', '[Timer]\nOnBootSec=5\nOnUnitActiveSec=2h\n')).toMatchObject({
      onActive: null,
      onBoot: 5_000,
      onUnitActive: 7_200_000,
      unit: 't.service',
    });
    expect(parseUnit('t.timer', '[Timer]\nOnActiveSec=1\nUnit=x.service\n')).toMatchObject({ unit: 'x.service' });
  });

  test.each([
    ['a.service', '[Service]\nType=simple\n', 'ExecStart= is missing'],
    ['a.service', '[Service]\nType=forking\nExecStart=a\n', 'Type=forking'],
    ['a.service', '[Service]\nExecStart=a\nExecStart=b\n', 'more than one'],
    ['a.service', '[Service]\nExecStart="a\n', 'a quote without an end'],
    ['a.service', '[Service]\nExecStart=a\nRestartSec=soon\n', 'not a time span'],
    ['a.service', 'nonsense\n', 'not a setting'],
    ['a.timer', '[Timer]\nOnCalendar=daily\n', 'OnCalendar'],
    ['a.socket', '', 'only .service and .timer'],
  ])('%s with %j: %s', (name, text, why) => expect(() => parseUnit(name, text)).toThrow(why));

  test.each([
    ['5', 5_000],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['1h 2min 3s', 3_723_000],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('%s is %d ms', (span, ms) => expect(parseSpan(span)).toBe(ms));

  test('words with quotes come back as they were', () => {
    const word = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const text = words.map((one) => `"${one.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(' ');
        expect(splitWords(text)).toEqual(words);
      }),
    );
  });

  test.each([
    [String.raw`a\x2fb "\r\n\t" '\s'`, ['a/b', '\r\n\t', ' ']],
    [String.raw`\303\xa9 \u00e9\U0001F600`, ['é', 'é😀']],
    [String.raw`\" \' \\ "\"" \d \$ \x4`, ['"', "'", '\\', '"', '\\d', '\\$', '\\x4']],
    ['"" \'\' a""b', ['', '', 'ab']],
    ['a\\', ['a\\']],
  ])('%s', (text, words) => expect(splitWords(text)).toEqual(words));

  test.each([String.raw`\x00`, String.raw`\777`, String.raw`\ud800`, String.raw`\UFFFFFFFF`])(
    '%s is refused',
    (text) => {
      expect(() => splitWords(text)).toThrow('not a character');
    },
  );

  test('read back what the cell writes', () => {
    const character = fc.oneof(
      fc.constantFrom('\\', '"', "'", '%', '$', '%n', '$HOME', '\n', '\r', '\t', '\x1b', '\x7f', ' ', 'x41'),
      fc
        .string({ unit: 'binary', minLength: 1, maxLength: 2 })
        .filter((one) => one.isWellFormed() && !one.includes('\0')),
    );
    const folder = '/srv/50%/a b';
    const gene = { limits: {}, sandbox: 'strict' } as const;
    const parts = { name: 'a', gene, folder, environment: `${folder}/.env`, user: null, hidden: [] };
    fc.assert(
      fc.property(fc.array(character), (characters) => {
        const run = characters.join('');
        const unit = parseUnit('a.service', unitText({ ...parts, start: shellStart(run) }));
        if (unit.kind !== 'service') throw new Error('it is a service');
        expect(expandWords(unit.start[0]?.words ?? [], { HOME: 'home' })).toEqual(['/bin/sh', '-c', shellLine(run)]);
        expect(unit.workingDirectory).toBe('/srv/50%/a b');
        expect(unit.environmentFiles).toEqual([{ path: '/srv/50%/a b/.env', optional: false }]);
      }),
    );
  });

  test('an escaped backslash at the end of a line joins nothing', () => {
    const unit = parseUnit('a.service', '[Service]\nExecStart=a \\\\\nRestart=always\n');
    expect(unit).toMatchObject({ start: [{ words: ['a', '\\'] }], restart: 'always' });
  });

  test('variables are put in, and split only when they stand alone', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: systemd's own syntax
    expect(expandWords(['$A', '${A}x', '$$A', '$B'], { A: 'one two' })).toEqual(['one', 'two', 'one twox', '$A']);
  });
});

describe('timers', () => {
  const unit = (more: Partial<TimerUnit>): TimerUnit => ({
    kind: 'timer',
    name: 't.timer',
    description: '',
    onActive: null,
    onBoot: null,
    onUnitActive: null,
    unit: 't.service',
    wantedBy: [],
    ...more,
  });
  const at = { activatedAt: 100, bootedAt: 10, done: new Set<string>() };
  test.each([
    [{ onActive: 5 }, [], null, 105],
    [{ onActive: 5 }, ['active'], null, null],
    [{ onBoot: 20, onActive: 5 }, [], null, 30],
    [{ onUnitActive: 7 }, [], null, null],
    [{ onUnitActive: 7 }, [], 200, 207],
    [{ onActive: 5, onUnitActive: 7 }, ['active'], 200, 207],
  ])('%j, done %j, last run %j: due at %j', (more, done, lastRun, due) => {
    expect(nextDue(unit(more), { ...at, done: new Set(done) }, lastRun)?.due ?? null).toBe(due);
  });
});

describe('routes', () => {
  test('have a domain or a port, and a default for tryFor', () => {
    const upstreams = [{ address: '127.0.0.1', port: 1 }];
    const text = JSON.stringify({
      v: 1,
      routes: [
        { domain: 'A.test.', function: 'a', upstreams },
        { port: 7, function: 'b', upstreams: [], tryFor: 1 },
      ],
    });
    expect(parseRoutes(text)).toEqual([
      { domain: 'a.test', port: null, function: 'a', upstreams, tryFor: 10_000 },
      { domain: null, port: 7, function: 'b', upstreams: [], tryFor: 1 },
    ]);
  });
  test.each([
    ['{}', 'expected {"v": 1'],
    ['{"v":2,"routes":[]}', 'expected {"v": 1'],
    ['{"v":1,"routes":[{"upstreams":[]}]}', 'either a domain or a port'],
    ['{"v":1,"routes":[{"port":70000,"upstreams":[]}]}', '1 to 65535'],
    ['{"v":1,"routes":[{"port":1}]}', 'upstreams'],
    ['{"v":1,"routes":[{"port":1,"upstreams":[{"port":1}]}]}', 'an address and a port'],
    ['{"v":1,"routes":[{"port":1,"upstreams":[]},{"port":1,"upstreams":[]}]}', 'two routes for 1'],
    ['not json', 'JSON'],
  ])('%s is refused: %s', (text, why) => expect(() => parseRoutes(text)).toThrow(why));
  test.each([
    ['WWW.a.test:8080', 'www.a.test'],
    ['a.test.', 'a.test'],
    [undefined, ''],
  ])('Host %s is %s', (host, domain) => expect(domainOf(host)).toBe(domain));
});

test('systemctl takes its flags anywhere', () => {
  expect(parseArguments(['show', '-p', 'A,B', 'x', '--property=C', '--value', '-pD'])).toMatchObject({
    verb: 'show',
    units: ['x'],
    properties: ['A', 'B', 'C', 'D'],
  });
  expect(parseArguments(['kill', '-s', 'HUP', 'x'])).toMatchObject({ verb: 'kill', units: ['x'], signal: 'SIGHUP' });
  expect(parseOptions(['-u', 'a', '-n5', '-f', '--output=cat'])).toEqual({
    units: ['a'],
    lines: 5,
    follow: true,
    cat: true,
  });
  expect(parseOptions(['-f']).lines).toBe(10);
});
