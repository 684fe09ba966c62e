/** docs/ci as it is: the lines of both workflows, run by a shell against an organism that lives. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import { githubSteps, gitlabSteps, type Ran, runSteps, type Step } from '../ci/workflows.ts';
import { type Garden, plant } from './garden.ts';

const TIMEOUT = 180_000;
const ROOT = join(import.meta.dirname, '../..');
const key = generateHostKey();
let garden: Garden;
let context: Record<string, string>;
let repository: string;

beforeAll(async () => {
  garden = await plant('small', 'genome.yaml', (text) =>
    text
      .replace('heartbeat: 15s', 'heartbeat: 2s')
      .replace('clouds:', `governance: { authorities: [${key.publicKey} ci] }\n\nclouds:`),
  );
  await garden.cell('seed', '--yes');
  const invitation = (await garden.cell('invite')).stdout.trim();
  context = {
    'vars.CELL_ORGANISM': invitation,
    'vars.CELL_PACKAGE': 'not-asked-for',
    'secrets.CELL_KEY': key.privatePem,
    'github.sha': '0123abcd',
    'github.token': 'none',
    'github.event.pull_request.html_url': 'https://git.example.net/garden/pull/1',
  };
  // What a runner has: the repository, and programs on its PATH. `gh` writes down what it was asked.
  repository = join(garden.folder, 'checkout');
  const bin = join(garden.folder, 'bin');
  mkdirSync(bin);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('cell', `exec "${process.execPath}" "${join(ROOT, 'bin/cell.js')}" "$@"`);
  program('gh', `printf '%s\\n' "$*" > "${join(garden.folder, 'asked')}"`);
}, TIMEOUT);

afterAll(() => garden.close(), 60_000);

/** A fresh checkout with a genome that says another colour. */
function checkedOut(colour: string): void {
  rmSync(repository, { recursive: true, force: true });
  mkdirSync(repository);
  const text = readFileSync(join(garden.folder, 'genome.yaml'), 'utf8');
  const changed = text.replace('    divide: replicate', `    env: { COLOUR: ${colour} }\n    divide: replicate`);
  writeFileSync(join(repository, 'genome.yaml'), changed);
  const source = join(garden.folder, 'functions');
  for (const name of ['web.js', 'throttle.js', 'package.json', 'lib/level.js', 'lib/serve.js', 'lib/where.js']) {
    if (!existsSync(join(source, name))) continue;
    mkdirSync(join(repository, 'functions', name, '..'), { recursive: true });
    writeFileSync(join(repository, 'functions', name), readFileSync(join(source, name)));
  }
}

function pipeline(steps: readonly Step[]): Promise<Ran> {
  const { CELL_HOME: _home, CELL_KEY: _key, ...rest } = process.env;
  const env = {
    ...rest,
    NO_COLOR: '1',
    PATH: `${join(garden.folder, 'bin')}:${process.env.PATH}`,
    GITHUB_STEP_SUMMARY: join(garden.folder, 'summary'),
  };
  return runSteps(steps, repository, env);
}

/** GitLab hands a variable of type file over as the path of one. */
function gitlab(): Record<string, string> {
  const file = join(garden.folder, 'key');
  writeFileSync(file, key.privatePem, { mode: 0o600 });
  return {
    CELL_ORGANISM: context['vars.CELL_ORGANISM'] ?? '',
    CELL_PACKAGE: '-',
    CELL_KEY: file,
    CI_COMMIT_SHORT_SHA: '0123abcd',
  };
}

const colours = async () => {
  const { stdout } = await garden.cell('exec', 'web', '--', 'sh', '-c', 'echo $COLOUR');
  return stdout.trim();
};

test('GitHub: a pull request is planned, its merge applied', { timeout: TIMEOUT }, async () => {
  checkedOut('green');
  const planned = await pipeline(githubSteps('plan', context));
  expect(planned.code, planned.output).toBe(0);
  const markdown = readFileSync(join(repository, '.cell/plan.md'), 'utf8');
  expect(readFileSync(join(garden.folder, 'summary'), 'utf8')).toBe(markdown);
  expect(markdown).toContain('| update | genome | `functions.web` |');
  expect(markdown).toMatch(/\| [a-z-]+ \| starts web anew \|/);
  expect(markdown).toContain('| 4.00 USD | 4.00 USD | 8.00 USD |');
  expect(readFileSync(join(garden.folder, 'asked'), 'utf8')).toContain('--body-file .cell/plan.md');
  expect(await colours()).toBe('');

  checkedOut('green');
  const applied = await pipeline(githubSteps('apply', context));
  expect(applied.code, applied.output).toBe(0);
  const events = readFileSync(join(repository, '.cell/apply.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event);
  expect(events).toEqual(['proposed', 'vote', 'accepted', 'stage', 'took', 'converged', 'end']);
  expect(await colours()).toBe('green');
});

test('GitLab: the same', { timeout: TIMEOUT }, async () => {
  checkedOut('blue');
  const planned = await pipeline(gitlabSteps('plan', gitlab()));
  expect(planned.code, planned.output).toBe(0);
  expect(planned.output).toContain('starts web anew');
  checkedOut('blue');
  const applied = await pipeline(gitlabSteps('apply', gitlab()));
  expect(applied.code, applied.output).toBe(0);
  expect(applied.output).toContain('Every cell runs genome');
  expect(await colours()).toBe('blue');
});

test('a job fails for a genome that is none, and for want of a key', { timeout: TIMEOUT }, async () => {
  checkedOut('[');
  expect((await pipeline(githubSteps('plan', context))).code).toBe(1);
  checkedOut('red');
  const keyless = await pipeline(githubSteps('plan', { ...context, 'secrets.CELL_KEY': '' }));
  expect([keyless.code, keyless.output]).toEqual([1, expect.stringContaining('there is no key')]);
});
