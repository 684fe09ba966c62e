/** docs/ci is checked as its makers check it: GitHub's by actionlint, GitLab's by gitlab-ci-local, with GitLab's schema. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { packageRoot } from '../../src/programs.ts';
import { CI, githubSteps, gitlabSteps } from './workflows.ts';

const run = promisify(execFile);
const CACHE = join(process.env.CELL_CACHE ?? join(homedir(), '.cache/cell'), 'lab/bin');
const VERSION = 'v1.7.12';

const onPath = (program: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));

/** actionlint from PATH, else from the cache, into which Go builds it once. */
async function actionlint(): Promise<string> {
  const there = onPath('actionlint');
  if (there !== undefined) return there;
  const path = join(CACHE, 'actionlint');
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  const env = { ...process.env, GOBIN: CACHE, GOFLAGS: '-mod=mod' };
  await run('go', ['install', `github.com/rhysd/actionlint/cmd/actionlint@${VERSION}`], { env, timeout: 280_000 });
  return path;
}

const missing =
  (onPath('actionlint') ?? onPath('go') ?? (existsSync(join(CACHE, 'actionlint')) ? CACHE : undefined))
    ? ''
    : ' (needs actionlint, or Go to build it: neither is on PATH)';

test.skipIf(missing !== '')(
  `actionlint finds nothing in the GitHub workflow${missing}`,
  { timeout: 300_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cell-actionlint-'));
    try {
      const workflows = join(folder, '.github/workflows');
      mkdirSync(workflows, { recursive: true });
      copyFileSync(join(CI, 'github.yml'), join(workflows, 'genome.yml'));
      const program = await actionlint();
      const said = await run(program, ['-no-color', join(workflows, 'genome.yml')], { cwd: folder }).catch(
        (error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }),
      );
      expect(said.stdout).toBe('');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

interface Job {
  readonly name: string;
  readonly when: string;
}

/** What GitLab would do with a pipeline on a branch: gitlab-ci-local holds it against GitLab's own schema and follows its rules. */
async function gitlabJobs(text: string, branch: string, variables: readonly string[] = []): Promise<readonly Job[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-gitlab-'));
  try {
    const env = { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null' };
    const git = (...args: readonly string[]) => run('git', ['-C', folder, ...args], { env });
    await git('init', '--quiet', '-b', branch);
    writeFileSync(join(folder, '.gitlab-ci.yml'), text);
    await git('add', '.gitlab-ci.yml');
    await git('-c', 'user.name=ci', '-c', 'user.email=ci@example.org', 'commit', '--quiet', '-m', 'the pipeline');
    const program = join(packageRoot(), 'node_modules/gitlab-ci-local/dist/index.js');
    const chosen = variables.flatMap((one) => ['--variable', one]);
    const args = [program, '--list-json', '--home', folder, ...chosen];
    const { stdout } = await run(process.execPath, args, { env, cwd: folder });
    return JSON.parse(stdout.slice(stdout.search(/^\[$/m)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const gitlab = () => readFileSync(join(CI, 'gitlab.yml'), 'utf8');

test.each<[string, string, readonly string[], readonly string[]]>([
  ['a merge request is planned', 'change', ['CI_PIPELINE_SOURCE=merge_request_event'], ['plan']],
  ['what is merged is applied', 'main', [], ['apply']],
  ['another branch is left alone', 'change', [], []],
])('by the GitLab pipeline, %s', { timeout: 60_000 }, async (_, branch, variables, names) => {
  const jobs = await gitlabJobs(gitlab(), branch, variables);
  expect(jobs.map(({ name }) => name)).toEqual(['plan', 'apply']);
  expect(jobs.filter(({ when }) => when !== 'never').map(({ name }) => name)).toEqual(names);
});

test("what GitLab's schema does not know would be found in its pipeline", { timeout: 60_000 }, async () => {
  const wrong = gitlab().replace('resource_group:', 'resource_grup:');
  await expect(gitlabJobs(wrong, 'main')).rejects.toMatchObject({ stderr: expect.stringContaining('resource_grup') });
});

test('both run the same commands, and hand a key to those only that need it', () => {
  const context = {
    'vars.CELL_ORGANISM': '{}',
    'vars.CELL_PACKAGE': 'p',
    'secrets.CELL_KEY': 'key',
    'github.sha': 's',
    'github.token': 't',
    'github.event.pull_request.html_url': 'u',
  };
  const commands = (text: string) => text.match(/\bcell (?:validate|plan|apply)\b/g) ?? [];
  for (const [name, expected] of [
    ['plan', ['cell validate', 'cell plan']],
    ['apply', ['cell apply']],
  ] as const) {
    const github = githubSteps(name, context);
    expect(github.flatMap(({ run: text }) => commands(text))).toEqual(expected);
    expect(gitlabSteps(name, {}).flatMap(({ run: text }) => commands(text))).toEqual(expected);
    for (const step of github) expect('CELL_KEY' in step.env, step.name).toBe(/cell (?:plan|apply)/.test(step.run));
  }
});
