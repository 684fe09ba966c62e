/**
 * A function's hooks: commands of the genome that the cell runs beside the function, in its folder and with its
 * environment: throttle and relax, link up and down, and the three around a move of data: dump, restore, merge.
 */
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';
import { isPlainCommand } from './quote.ts';
import { runCommand } from './run.ts';
import { folderOf, preparedEnvironment } from './services.ts';
import { asFunction } from './users.ts';

export type HookName = 'throttle' | 'relax' | 'up' | 'down' | 'dump' | 'restore' | 'merge';

export interface Hook {
  readonly layout: Layout;
  readonly function: FunctionName;
  readonly hook: HookName;
  /** The command line, as in the genome. */
  readonly run: string;
  /** What it finds in $1, $2, … (and a plain command as its last arguments). */
  readonly args?: readonly string[];
  /** On top of what the function itself gets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HookResult {
  readonly ok: boolean;
  /** One line: why it failed, or `done`. */
  readonly why: string;
  /** The end of what it said, both streams. */
  readonly output: string;
  /** ms. */
  readonly took: number;
}

/** A hook that still works after this holds up the whole tick. */
const HOOK_TIMEOUT_MS = 30_000;

/**
 * Gives the arguments on to a plain command, `./throttle`; leaves a script alone, which has them in $1, $2, … and says
 * itself where they go.
 */
export function withArguments(line: string): string {
  return isPlainCommand(line) ? `${line} "$@"` : line;
}

/** Runs one to its end; what went wrong is in the result. */
export async function runHook(hook: Hook): Promise<HookResult> {
  const args = hook.args ?? [];
  const folder = folderOf(hook.layout, hook.function);
  const result = await runCommand(args.length === 0 ? hook.run : withArguments(hook.run), {
    cwd: folder,
    env: {
      ...process.env,
      ...(await preparedEnvironment(hook.layout, hook.function)),
      CELL_HOOK: hook.hook,
      ...hook.env,
    },
    timeoutMs: hook.timeoutMs ?? HOOK_TIMEOUT_MS,
    args,
    as: asFunction(hook.layout, hook.function),
    signal: hook.signal,
  });
  return {
    ok: result.why === null,
    why: result.why === null ? 'done' : `${hook.hook} of ${hook.function}: ${result.why}`,
    output: [result.stdout, result.stderr].filter((text) => text !== '').join('\n'),
    took: result.took,
  };
}

/** Throttles to a level of 0 to 100, which the command gets as $1 and as CELL_THROTTLE_LEVEL. 0 is to relax. */
export function runThrottle(hook: Omit<Hook, 'hook' | 'args'>, level: number): Promise<HookResult> {
  const env = { ...hook.env, CELL_THROTTLE_LEVEL: String(level) };
  return runHook({ ...hook, hook: level === 0 ? 'relax' : 'throttle', args: [String(level)], env });
}
