/**
 * The Pulumi CLI as the Automation API is given it. Two things differ from what the API would do by itself:
 *
 * - it takes an installation with `bin/pulumi` in it, and ours may be anywhere, so each stack has a link to it. The
 *   folder of the link goes first on PATH, so it must hold no plugin of somebody else;
 * - what it asks after each call and nobody here wants to know (the outputs, twice, and the history, whose secrets are
 *   decrypted each time) is answered without starting a process, as is selecting a stack: every call names its own.
 *   That halves the time of a call.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { PulumiCommand } from '@pulumi/pulumi/automation/index.js';
import { missing } from './pulumi.find.ts';

/** The part of it that the API's types leave out. */
interface Runs {
  run(args: string[], ...rest: readonly unknown[]): Promise<{ stdout: string; stderr: string; code: number }>;
}

const UNASKED: Readonly<Record<string, string>> = { 'stack output': '{}', 'stack history': '[]', 'stack select': '' };

/** By path of the CLI: its version is asked once a process. */
const checked = new Map<string, PulumiCommand>();

/** The CLI, linked into a folder. Throws CellError ENGINE_MISSING when it does not run or is too old. */
export async function commandOf(cli: string, root: string): Promise<PulumiCommand> {
  const link = join(root, 'bin', 'pulumi');
  mkdirSync(join(root, 'bin'), { recursive: true });
  rmSync(`${link}.${process.pid}`, { force: true });
  symlinkSync(cli, `${link}.${process.pid}`);
  renameSync(`${link}.${process.pid}`, link);
  const command = checked.get(cli) ?? (await check(root));
  checked.set(cli, command);
  return Object.create(command, { command: { value: link }, run: { value: run } }) as PulumiCommand;
}

const run: Runs['run'] = async function (this: Runs, args, ...rest) {
  const stdout = UNASKED[args.slice(0, 2).join(' ')];
  if (stdout !== undefined) return { stdout, stderr: '', code: 0 };
  return (Object.getPrototypeOf(this) as Runs).run.call(this, args, ...rest);
};

async function check(root: string): Promise<PulumiCommand> {
  const { PulumiCommand } = await import('@pulumi/pulumi/automation/index.js');
  try {
    return await PulumiCommand.get({ root });
  } catch (cause) {
    throw missing(process.env, cause);
  }
}
