/**
 * The genome: one schema from which the TypeScript types, the validation and `genome.schema.json` all come.
 *
 * Quantities are written with units (`90s`, `80%`, `120 USD`) and arrive here parsed: ms, percent, cents, bytes.
 * Only shapes are checked here; what needs two fields at once is in check.ts.
 */
import { z } from 'zod';
import { parseDuration, parseMoney, parsePercent, parseRate, parseSize } from './units.ts';

const NAME = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const HOSTNAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const VARIABLE = /^[A-Z_][A-Z0-9_]*$/;

function unit<T>(parse: (text: string) => T | null, expected: string) {
  return z
    .string()
    .meta({ description: expected })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: `expected ${expected}` });
      return z.NEVER;
    });
}

/** A duration in ms. */
export const duration = unit(parseDuration, 'a duration with a unit, such as 250ms, 30s, 5m, 1h or 7d');
/** Money in cents. */
export const money = unit(parseMoney, 'an amount with a currency, such as 120 USD or 4.50 EUR');
export const percent = unit(parsePercent, 'a percentage, such as 40%');
/** Bytes. */
export const size = unit(parseSize, 'a size with a unit, such as 512MiB or 1GB');

/**
 * One end of a pair of bounds: a bare number, or a percentage, size, duration or rate.
 * A function's measure and its bounds must be of one kind; check.ts sees to that.
 */
export const bound = z
  .union([z.number().min(0), z.string()])
  .meta({ description: 'a number, or a quantity with a unit: 80%, 512MiB, 250ms, 100/s' })
  .transform((value, context): { kind: BoundKind; value: number } => {
    if (typeof value === 'number') return { kind: 'number', value };
    const parsers: [BoundKind, (text: string) => number | null][] = [
      ['percent', parsePercent],
      ['size', parseSize],
      ['duration', parseDuration],
      ['rate', parseRate],
    ];
    for (const [kind, parse] of parsers) {
      const parsed = parse(value);
      if (parsed !== null) return { kind, value: parsed };
    }
    context.addIssue({ code: 'custom', message: 'expected a number or a quantity: 80%, 512MiB, 250ms, 100/s' });
    return z.NEVER;
  });
export type BoundKind = 'number' | 'percent' | 'size' | 'duration' | 'rate';

export const name = z
  .string()
  .regex(NAME, 'expected a name: lower-case letters, digits and dashes, beginning with a letter, at most 32');
export const hostname = z.string().regex(HOSTNAME, 'expected a domain name in lower case, such as www.example.org');
const port = z.number().int().min(1024, 'expected a port from 1024 to 65535').max(65535);
const command = z.string().min(1, 'expected a command line');
const variable = z.string().regex(VARIABLE, 'expected a variable name in capitals, such as API_TOKEN');
const authority = z
  .string()
  .regex(/^ssh-ed25519 [A-Za-z0-9+/]+=*(?: .*)?$/, 'expected an OpenSSH public key: ssh-ed25519 AAAA… comment');
/** Where a secret comes from; never the secret itself. */
export const secretSource = z
  .string()
  .regex(/^(?:env:[A-Z_][A-Z0-9_]*|file:.+|command:.+)$/, 'expected env:NAME, file:PATH or command:LINE');

const body = z.strictObject({
  maxCells: z.number().int().min(1).max(1000).default(3),
  maxMonthlyCost: money.prefault('50 USD'),
  heartbeat: duration.prefault('60s'),
});

/** The timers of homeostasis. Quick to take load off, slow to merge back. */
const rhythm = z.strictObject({
  /** How long a breach lasts before the first relief. */
  settle: duration.prefault('10s'),
  /** How long throttling may go on before it counts as not having held. */
  hold: duration.prefault('60s'),
  /** Rest after a division before the next. */
  refractory: duration.prefault('3m'),
  /** How long a whole cell must be under its low bounds before it hands its functions back. */
  calm: duration.prefault('15m'),
  /** The largest random delay before a division or a merge, so that cells under one load do not act at once. */
  jitter: duration.prefault('20s'),
});

const healing = z.strictObject({
  suspectAfter: duration.prefault('3m'),
  deadAfter: duration.prefault('15m'),
  aloneAfter: duration.prefault('30m'),
  maxUnhealthy: percent.prefault('40%'),
  windows: z.array(z.string()).default([]),
});

const governance = z.strictObject({
  rule: z.enum(['majority', 'unanimous', 'authority']).default('majority'),
  /** Whose signature counts as the author's. The seeder's key is one without being listed. */
  authorities: z.array(authority).default([]),
  /** Who may open a shell on a cell. The seeder's key is one without being listed. */
  operators: z.array(authority).default([]),
});

export const localCloud = z.strictObject({
  provider: z.literal('local'),
  /** Loopback addresses that machines may take. */
  network: z
    .string()
    .regex(/^127\.\d{1,3}\.\d{1,3}\.0\/(?:16|24)$/, 'expected a loopback network, such as 127.77.0.0/16')
    .default('127.77.0.0/16'),
  sshPort: port.default(2222),
  httpPort: port.default(8080),
  /** `host`: machines come with this computer's Node. `none`: with nothing, so an imprint brings the runtime too. */
  runtime: z.enum(['host', 'none']).default('host'),
  /** What a machine is taken to cost a month, so that cost caps can be tried at home. */
  monthly: money.prefault('0 USD'),
});
export const cloud = z.discriminatedUnion('provider', [localCloud]);

export const localDns = z.strictObject({
  provider: z.literal('local'),
  port: port.default(5380),
  ttl: duration.prefault('5s'),
});
export const dns = z.discriminatedUnion('provider', [localDns]);

const health = z
  .strictObject({
    http: z.string().startsWith('/').optional(),
    command: command.optional(),
    every: duration.prefault('5s'),
    timeout: duration.prefault('2s'),
    /** How long a starting function may take to become healthy. */
    within: duration.prefault('30s'),
  })
  .meta({ description: 'http (a path that answers 2xx) or command (exit code 0)' });

const measure = z
  .strictObject({
    http: z.string().startsWith('/').optional(),
    path: z.string().startsWith('$').optional(),
    command: command.optional(),
    bounds: z.tuple([bound, bound]),
  })
  .meta({ description: 'cpu, memory and disk are measured by themselves; others need http with path, or command' });

const throttle = z.strictObject({
  run: command,
  relax: command.optional(),
});

const link = z.strictObject({ up: command, down: command });

/** Hooks around a move of data; each runs in the function's source folder with its environment. */
const handover = z.strictObject({
  /** Runs where a replica came home; CELL_FROM is the folder of its data. */
  merge: command.optional(),
  dump: command.optional(),
  restore: command.optional(),
});

const functionGene = z.strictObject({
  run: command,
  /** A folder beside the genome, carried to every cell that performs the function. */
  source: z.string().optional(),
  /** Where other functions reach it on its cell's address; the program itself listens on $HOST:$PORT. */
  port: port.optional(),
  domain: hostname.optional(),
  health: health.optional(),
  /** Files and folders (in the function's own folder) that belong to it and move with it. */
  data: z.array(z.string()).default([]),
  env: z.record(variable, z.union([z.string(), z.number(), z.boolean()])).default({}),
  secrets: z.record(variable, secretSource).default({}),
  pressure: z.record(name, measure).default({}),
  throttle: throttle.optional(),
  divide: z.enum(['delegate', 'replicate', 'never']).default('never'),
  /** Functions it calls. `own`: a replica takes one along; `shared`: it uses its parent's while that is healthy. */
  needs: z.record(name, z.enum(['own', 'shared'])).default({}),
  link: link.optional(),
  handover: handover.prefault({}),
});

export const genomeSchema = z.strictObject({
  organism: name,
  zone: hostname,
  body: body.prefault({}),
  rhythm: rhythm.prefault({}),
  governance: governance.prefault({}),
  healing: healing.prefault({}),
  topology: z
    .strictObject({ k: z.number().int().min(1).max(16).default(1), p: z.number().min(0).max(1).default(0.8) })
    .prefault({}),
  membership: z.enum(['ssh']).default('ssh'),
  clouds: z.record(name, cloud),
  dns,
  vaults: z.array(z.strictObject({ git: z.string().min(1) })).default([]),
  functions: z.record(name, functionGene),
});

/** A checked genome: durations in ms, money in cents, sizes in bytes, percentages 0 to 100. */
export type Genome = z.output<typeof genomeSchema>;
export type FunctionGene = Genome['functions'][string];
export type CloudGene = Genome['clouds'][string];
export type Measure = FunctionGene['pressure'][string];
export type Bound = Measure['bounds'][0];
export type Rhythm = Genome['rhythm'];
