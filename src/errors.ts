/**
 * Every error this program raises on purpose: a code, what failed, why, and what to do next.
 *
 * A command prints `message`, then `why`, then `suggestion`; `--debug` adds the cause chain. Programming mistakes stay
 * plain `Error`s and are reported as such.
 */

export type ErrorCode =
  | 'USAGE' // the call cannot be meant: exit code 2
  | 'GENOME_INVALID' // the genome has findings of severity error
  | 'GENOME_MISSING'
  | 'HOME_MISSING' // no organism's state where one was expected
  | 'HOME_EXISTS'
  | 'STACK_LOCKED'
  | 'STACK_FAILED' // an engine could not finish; the checkpoint holds what was done
  | 'CHECKPOINT_CORRUPT'
  | 'ENGINE_MISSING' // no pulumi where one is needed
  | 'PROVIDER_REFUSED' // the provider answered no
  | 'MACHINE_UNREACHABLE'
  | 'HOST_KEY_MISMATCH'
  | 'REMOTE_FAILED' // a command on a machine ended with an error
  | 'ARTEFACT_CORRUPT'
  | 'FEED_REFUSED' // an entry that is unsigned, tampered with, replayed or forked
  | 'SYNC_FAILED'
  | 'NOT_ALLOWED' // bounds, budget, freeze or governance forbid it
  | 'NOT_FOUND'
  | 'UNHEALTHY'
  | 'TIMEOUT'
  | 'INTERRUPTED';

export interface ErrorDetails {
  /** Why it failed, one line. */
  readonly why?: string;
  /** What the reader can do next. */
  readonly suggestion?: string;
  /** Named values for `--json` and tests; never secrets. */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
  readonly cause?: unknown;
}

export class CellError extends Error {
  readonly code: ErrorCode;
  readonly why: string | undefined;
  readonly suggestion: string | undefined;
  readonly fields: NonNullable<ErrorDetails['fields']>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'CellError';
    this.code = code;
    this.why = details.why;
    this.suggestion = details.suggestion;
    this.fields = details.fields ?? {};
  }
}

/** What failed and why, on one line: for reasons that people read later. */
export function explain(thrown: unknown): string {
  const why = thrown instanceof CellError ? thrown.why : undefined;
  return why === undefined ? messageOf(thrown) : `${messageOf(thrown)}: ${why}`;
}

/**
 * The same, and what to do about it where a provider said no: for people who read `cell status`, where no command stands
 * behind the line that they could run again.
 */
export function advise(thrown: unknown): string {
  const suggestion = thrown instanceof CellError && thrown.code === 'PROVIDER_REFUSED' ? thrown.suggestion : undefined;
  return suggestion === undefined ? explain(thrown) : `${explain(thrown).replace(/\.$/, '')}. ${suggestion}`;
}

/** The message of anything thrown, for logs and reasons. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
