/**
 * What a parent may ask of a cell while it has a door to it: the hidden command `cell hand OP`, JSON in, JSON out.
 * The door is the imprint key until `wean`, and the parent's own key once a cell has decided to go (wilt).
 */
import type { Certificates } from './effects/certificates.ts';
import type { Manifest } from './effects/files.ts';
import type { Remote } from './effects/ssh.ts';
import { CellError, type ErrorCode } from './errors.ts';
import { HAND_TIMEOUT_MS } from './limits.ts';
import type { BirthId, CellId, FunctionName, PublicKey } from './model.ts';
import type { Inheritance } from './saga.ts';

/** Every operation: what goes in and what comes out. hands.ts performs them. */
export interface HandOps {
  /** Makes the keys, once; says who it is and proves it. `hostKey`: the machine's own, which it keeps. */
  awaken: {
    in: { organism: string; seeder: CellId; birth: BirthId; challenge: string; hostKey: PublicKey | null };
    out: {
      id: CellId;
      key: PublicKey;
      recipient: string;
      hostKey: PublicKey;
      proof: string;
      /** Its own addresses, loopback left out: credentials are bound to them where the provider can. */
      addresses: readonly string[];
    };
  };
  /** Takes its own host key into use and lets the parent sync. */
  settle: { in: { birth: BirthId; peer: CellId; peerKey: PublicKey; imprintKey: PublicKey }; out: object };
  /** Reads why it exists, says that it is born, takes the genome and what it inherits, begins to beat. */
  hatch: { in: { parent: CellId; birth: BirthId; inheritance: Inheritance }; out: { name: string } };
  /** Sources and settings of functions that will come, and the certificates of their domains. */
  prepare: { in: { functions: readonly FunctionName[]; certificates: Certificates }; out: object };
  /** The certificates of their domains, which may have been renewed there. */
  certificates: { in: { functions: readonly FunctionName[] }; out: { certificates: Certificates } };
  /** The function's folder here and the files of its data. */
  data: { in: { function: FunctionName }; out: { folder: string; files: Manifest } };
  /** Starts functions and waits until they are healthy. */
  start: { in: { functions: readonly FunctionName[] }; out: object };
  /** Its first pulse, where the others are, and its own records as the lineage says. */
  speak: { in: object; out: object };
  /** No records any more. */
  silence: { in: object; out: object };
  /** The imprint key no longer opens this machine. */
  wean: { in: object; out: object };
  /** Imports the checkpoint of a stack that was entrusted to this cell. */
  adopt: { in: { stack: string; from: CellId }; out: object };
  /** Requests wait, what is under way is answered, with `dump` its dump is made, the program stops. */
  hold: { in: { function: FunctionName; dump?: boolean }; out: object };
  /** What was dumped elsewhere is put where the program, which does not run, finds it. */
  restore: { in: { function: FunctionName }; out: object };
  /** Runs it again after a hold. */
  resume: { in: { function: FunctionName }; out: object };
  /** Says in its own feed that the function is handed back, and proxies to the new home from here on. */
  handBack: { in: { function: FunctionName; to: CellId; until: number }; out: object };
  /** The last entry of its feed; no tick any more. */
  farewell: { in: object; out: object };
}

export type HandOp = keyof HandOps;

/** Asks, and gives the answer. Throws the cell's own error with its code, or REMOTE_FAILED. */
export async function hand<Op extends HandOp>(
  remote: Remote,
  op: Op,
  input: HandOps[Op]['in'],
  timeoutMs: number = HAND_TIMEOUT_MS,
): Promise<HandOps[Op]['out']> {
  const result = await remote.run(`"\${CELL_ROOT:-}/opt/cell/bin/cell" hand ${op}`, {
    stdin: JSON.stringify(input),
    timeoutMs,
  });
  const answer = parse(result.stdout);
  if (result.code === 0 && answer !== null && 'ok' in answer) return answer.ok as HandOps[Op]['out'];
  if (answer !== null && 'error' in answer) {
    const { code, message, why } = answer.error as { code: ErrorCode; message: string; why?: string };
    throw new CellError(code, message, {
      ...(why === undefined ? {} : { why }),
      fields: { op, at: remote.reach.address },
    });
  }
  throw new CellError('REMOTE_FAILED', `\`${op}\` failed on ${remote.reach.address}`, {
    why: result.stderr.trim().split('\n').slice(-3).join(' | ') || `exit code ${result.code}`,
    fields: { op, exitCode: result.code },
  });
}

function parse(text: string): { ok: object } | { error: object } | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
