/**
 * The words of a box: a Linux computer of one's own that makes machines, as a small cloud. Shapes that are stored or
 * sent, names, and what may be said to a box. Pure.
 *
 *   DIR/box.json                 what `cell box init` settled
 *   DIR/images/NAME              a root that machines start from, never written to
 *   DIR/layers/ORGANISM/HASH     an artefact that the organism's new machines start with (layers.ts)
 *   DIR/machines/ID/             one machine: machine.json, upper, work, root (the mount), containers, console.log
 *   DIR/addresses/A.B.C.D        whose address it is: the id of its machine
 *   DIR/locks/                   leases; a lease of a killed process is taken over
 *
 * An id is `organism-birth`, and a birth has no dash, so the organism of an id is never in doubt.
 */
import { createHash } from 'node:crypto';

export const DEFAULT_DIR = '/var/lib/cell-box';

/** Also keeps colons, commas and white space out, which mean something to mount, nspawn and authorized_keys. */
export const DIR_NAME = /^\/[A-Za-z0-9._/-]+$/;
export const ORGANISM = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
export const BIRTH = /^[a-z0-9]{1,24}$/;
export const IMAGE = /^[a-z0-9][a-z0-9.-]{0,63}$/;
/** The hash of an artefact. */
export const LAYER = /^[0-9a-f]{64}$/;
/** A cell's id, or `seed`. */
export const MAKER = /^[a-z0-9-]{1,64}$/;
export const BRIDGE = /^[a-z][a-z0-9-]{0,14}$/;

/** What may stand on stdin of one request, in bytes: a key, a few names and room. */
export const LARGEST_REQUEST = 32 * 1024;

export interface BoxFile {
  readonly v: 1;
  readonly bridge: string;
  /** The bridge's own address and its network: `10.77.0.1/24`. */
  readonly network: string;
  /** The name server machines are told, or null for none. */
  readonly dns: string | null;
}

export interface MachineFile {
  readonly v: 1;
  readonly id: string;
  readonly organism: string;
  readonly birth: string;
  /** Who makes it: a cell's id, or `seed`. */
  readonly parent: string;
  readonly cloud: string;
  readonly image: string;
  /** Over the image, for as long as it lives: its own files were written over just these. None when left out. */
  readonly layers?: readonly string[];
  readonly address: string;
  /** Cores, and bytes of memory; null: all there is. */
  readonly cpus: number | null;
  readonly memory: number | null;
  /** Whether everything was written that its first boot needs. */
  readonly ready: boolean;
  /** Whether it shall run: what `cell box start` boots. */
  readonly power: 'on' | 'off';
}

/** What a request to make a machine says. */
export interface MachineOrder {
  readonly birth: string;
  readonly parent: string;
  readonly cloud: string;
  readonly image: string;
  readonly cpus?: number | undefined;
  readonly memory?: number | undefined;
  /** The public key that opens it. */
  readonly imprintKey: string;
  /** The private host key it answers with, OpenSSH PEM. */
  readonly hostKey: string;
}

/** A machine as a box tells of it. */
export interface MachineSeen extends Omit<MachineFile, 'v' | 'ready'> {
  readonly running: boolean;
}

export interface BoxInfo {
  readonly organism: string;
  readonly quota: number;
  readonly used: number;
  readonly images: readonly string[];
  /** What limits on a machine come to here: `enforced`, or why not. */
  readonly limits: { readonly cpus: string; readonly memory: string };
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly why: string | null;
  readonly suggestion: string | null;
}
export type Reply = { readonly ok: unknown } | { readonly error: Refusal };

export function machineId(organism: string, birth: string): string {
  return `${organism}-${birth}`;
}

/** The organism of an id, or null when it is no id. */
export function organismOf(id: string): string | null {
  const dash = id.lastIndexOf('-');
  const [organism, birth] = [id.slice(0, Math.max(dash, 0)), id.slice(dash + 1)];
  return ORGANISM.test(organism) && BIRTH.test(birth) ? organism : null;
}

/**
 * A machine's name for the kernel: `vb-` and this must fit the 15 characters of an interface's name, and two boxes on
 * one computer must not meet.
 */
export function tagOf(dir: string, id: string): string {
  return `c${createHash('sha256').update(`${dir}\0${id}`).digest('hex').slice(0, 11)}`;
}
