/** docs/ci is checked as its makers check it: GitHub's by actionlint, GitLab's by the keywords it may have. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
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

/** The keywords of .gitlab-ci.yml that ours has, as GitLab's reference gives them. */
const job = z.strictObject({
  extends: z.string().optional(),
  image: z.string().optional(),
  stage: z.string().optional(),
  before_script: z.array(z.string()).min(1).optional(),
  script: z.array(z.string()).min(1).optional(),
  rules: z
    .array(z.strictObject({ if: z.string().regex(/^\$[A-Z_]+ == (?:"[a-z_]+"|\$[A-Z_]+)$/) }))
    .min(1)
    .optional(),
  artifacts: z
    .strictObject({
      // Letters, digits, spaces, dashes and underscores only; and its paths may have no wildcard.
      expose_as: z.string().regex(/^[\w -]{1,100}$/),
      paths: z.array(z.string().regex(/^(?!\/)[^*]+$/)).min(1),
      expire_in: z.string().regex(/^\d+ (?:day|week)s?$/),
    })
    .optional(),
  resource_group: z.string().optional(),
  interruptible: z.boolean().optional(),
  environment: z.string().optional(),
  timeout: z
    .string()
    .regex(/^\d+ minutes$/)
    .optional(),
});

test('the GitLab pipeline has the keywords it may have, and every job what a job needs', () => {
  const text = readFileSync(join(CI, 'gitlab.yml'), 'utf8');
  const file = z
    .object({ stages: z.array(z.string()) })
    .catchall(z.union([job, z.array(z.string())]))
    .parse(parse(text));
  for (const [name, one] of Object.entries(file)) {
    if (name === 'stages' || name.startsWith('.')) continue;
    const { stage, script, extends: base } = job.parse(one);
    expect(file.stages, name).toContain(stage);
    expect(script, name).toBeDefined();
    expect(Object.keys(file), name).toContain(base);
  }
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
