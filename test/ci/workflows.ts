/** The workflows of docs/ci as what they are: YAML whose `run:` lines a shell can run. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const CI = join(import.meta.dirname, '../../docs/ci');

export interface Step {
  readonly name: string;
  readonly run: string;
  /** As each platform starts it. */
  readonly shell: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

type Values = Readonly<Record<string, string>>;

interface GithubJob {
  readonly steps: readonly {
    readonly name?: string;
    readonly run?: string;
    readonly shell?: string;
    readonly env?: Values;
  }[];
}

/** `${{ … }}` as GitHub would put it in. Throws for what the test does not say. */
function filled(env: Values, context: Values): Record<string, string> {
  const value = (text: string) =>
    text.replace(/\$\{\{\s*([\w.]+)\s*\}\}/g, (_, name: string) => {
      const found = context[name];
      if (found === undefined) throw new Error(`the workflow asks for ${name}`);
      return found;
    });
  return Object.fromEntries(Object.entries(env).map(([name, text]) => [name, value(text)]));
}

/** The steps of a job of the GitHub workflow that run something. */
export function githubSteps(job: string, context: Values): readonly Step[] {
  const workflow = parse(readFileSync(join(CI, 'github.yml'), 'utf8')) as {
    readonly env: Values;
    readonly jobs: Readonly<Record<string, GithubJob>>;
  };
  return (workflow.jobs[job]?.steps ?? []).flatMap(({ name = '', run, shell, env = {} }) => {
    if (run === undefined) return [];
    const how: Step['shell'] = shell === 'bash' ? ['bash', '--noprofile', '--norc', '-eo', 'pipefail'] : ['bash', '-e'];
    return [{ name, run, shell: how, env: filled({ ...workflow.env, ...env }, context) }];
  });
}

interface GitlabJob {
  readonly extends?: string;
  readonly before_script?: readonly string[];
  readonly script?: readonly string[];
}

/** A job of GitLab's as the one script that its runner makes of it. */
export function gitlabSteps(job: string, env: Values): readonly Step[] {
  const file = parse(readFileSync(join(CI, 'gitlab.yml'), 'utf8')) as Readonly<Record<string, GitlabJob>>;
  const own = file[job];
  const base = file[own?.extends ?? ''];
  const lines = [...(own?.before_script ?? base?.before_script ?? []), ...(own?.script ?? [])];
  return [{ name: job, run: lines.join('\n'), shell: ['bash', '-eo', 'pipefail'], env }];
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs steps one after the other, as a runner does: the first that fails ends it. */
export async function runSteps(steps: readonly Step[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  let output = '';
  for (const step of steps) {
    const [program, ...args] = step.shell;
    const child = spawn(program, [...args, '-c', step.run], {
      cwd,
      env: { ...env, ...step.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const code = await new Promise<number>((resolve) => child.on('close', (ended) => resolve(ended ?? 1)));
    if (code !== 0) return { code, output: `${output}\n(${step.name} ended with ${code})` };
  }
  return { code: 0, output };
}
