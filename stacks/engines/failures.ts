/** What the engines say when they cannot go on; the same words for both. */
import { CellError, messageOf } from '../../src/errors.ts';
import { redacted } from './secrets.ts';

/** An operation failed. What was thrown is shown without the secrets. */
export function failed(
  stack: string,
  doing: string,
  resource: string | null,
  thrown: unknown,
  secrets: readonly string[],
): CellError {
  const cause = redacted(thrown, secrets);
  const why =
    cause instanceof CellError && cause.why !== undefined ? `${cause.message}: ${cause.why}` : messageOf(cause);
  return new CellError('STACK_FAILED', `stack ${stack}: could not ${doing}${resource === null ? '' : ` ${resource}`}`, {
    why,
    suggestion:
      (cause instanceof CellError ? cause.suggestion : undefined) ??
      'What was done is kept. Run the same command again: it goes on from there.',
    fields: { stack, ...(resource === null ? {} : { resource }) },
    cause,
  });
}

export function refusedInputs(
  stack: string,
  resource: string,
  findings: readonly { readonly key: string; readonly why: string }[],
): CellError {
  return new CellError('STACK_FAILED', `stack ${stack}: the inputs of ${resource} cannot be used`, {
    why: findings.map(({ key, why }) => `${key}: ${why}`).join('; '),
    suggestion: 'Run `cell compile` to see the stack, and correct the genome.',
    fields: { stack, resource },
  });
}

export function locked(stack: string, why: string): CellError {
  return new CellError('STACK_LOCKED', `stack ${stack} is being worked on`, {
    why,
    suggestion:
      'Wait until that is done. A lock of a dead process is taken over by itself; nothing needs to be removed.',
    fields: { stack },
  });
}

export function interrupted(stack: string): CellError {
  return new CellError('INTERRUPTED', `stack ${stack}: interrupted`, {
    suggestion: 'What was done is kept. Run the same command again: it goes on from there.',
    fields: { stack },
  });
}

export function corrupt(path: string, why: string): CellError {
  return new CellError('CHECKPOINT_CORRUPT', `the checkpoint ${path} cannot be read`, {
    why,
    suggestion:
      'Put back a copy of it from a backup, or move it away and run the same command again, which adopts what carries its tags; ' +
      '`cell sweep` shows what would be left over.',
    fields: { path },
  });
}

/** Refuses a portable that another engine or version wrote. */
export function carried(
  portable: { readonly v: number; readonly engine: string; readonly stack: string },
  engine: string,
): void {
  if (portable.v === 1 && portable.engine === engine) return;
  throw new CellError('CHECKPOINT_CORRUPT', `the checkpoint of stack ${portable.stack} cannot be taken in`, {
    why: `it is of engine ${portable.engine}, version ${portable.v}; this is engine ${engine}, version 1`,
    suggestion: `Take it in with the engine ${portable.engine}, or a newer cell.`,
    fields: { stack: portable.stack },
  });
}
