/**
 * The genome: one schema from which the TypeScript types, the validation and `genome.schema.json` all come.
 *
 * Quantities are written with units (`90s`, `80%`, `120 USD`) and arrive here parsed: ms, percent, cents, bytes.
 * Only shapes are checked here; what needs two fields at once is in check.ts. Every field has a description, which
 * editors show while one writes: run `node genome/schema.main.ts` after a change.
 */
import { z } from 'zod';
import { dns } from './dns.ts';
import { cloud, ingress, placement } from './places.ts';
import {
  authority,
  bound,
  command,
  d,
  duration,
  hostname,
  money,
  name,
  percent,
  port,
  secretSource,
  size,
  variable,
  webPath,
} from './words.ts';

const body = z
  .strictObject({
    maxCells: z.number().int().min(1).max(1000).default(3).meta(d('How many cells the organism may ever have at once')),
    maxMonthlyCost: money.prefault('50 USD').meta(d('What all machines together may cost a month: 120 USD')),
    heartbeat: duration.prefault('60s').meta(d('How often each cell senses, syncs and decides')),
    schedule: z
      .enum(['auto', 'cron', 'timer'])
      .default('auto')
      .meta(d('What keeps the heartbeat. auto: cron where it can say the interval, else a systemd timer')),
    stemCells: z
      .number()
      .int()
      .min(0)
      .max(10)
      .default(0)
      .meta(d('Blank, booted machines kept ready, so that a division need not wait for one. They count as cells')),
  })
  .meta(d('How large the organism may become, and how fast it lives'));

/** The timers of homeostasis. Quick to take load off, slow to merge back. */
const rhythm = z
  .strictObject({
    settle: duration.prefault('10s').meta(d('How long a breach lasts before the first relief')),
    hold: duration.prefault('60s').meta(d('How long throttling may go on before it counts as not having held')),
    refractory: duration.prefault('3m').meta(d('Rest after a division before the next')),
    calm: duration
      .prefault('15m')
      .meta(d('How long a whole cell must be under its low bounds before it hands its functions back')),
    /** So that cells under one load do not act at once. */
    jitter: duration.prefault('20s').meta(d('The largest random delay before a division or a merge')),
  })
  .meta(d('The timers of homeostasis: quick to take load off, slow to merge back'));

const healing = z
  .strictObject({
    suspectAfter: duration.prefault('3m').meta(d('Silence after which a cell is suspected')),
    deadAfter: duration.prefault('15m').meta(d('Silence after which a cell counts as dead and its heir acts')),
    aloneAfter: duration.prefault('30m').meta(d('Silence of all others after which a cell counts itself as cut off')),
    maxUnhealthy: percent
      .prefault('40%')
      .meta(d('Healing stops when more than this share looks dead: then the observer is likelier to be cut off')),
    windows: z.array(z.string()).default([]).meta(d('Times in which healing may act; none means always')),
  })
  .meta(d('When a silent cell is suspected, dead and replaced'));

const governance = z
  .strictObject({
    rule: z
      .enum(['majority', 'unanimous', 'authority'])
      .default('majority')
      .meta(d('When a proposed genome is accepted: most cells, all cells, or an authority alone')),
    authorities: z
      .array(authority)
      .default([])
      .meta(d("Whose signature counts as the author's. The seeder's key is one without being listed")),
    operators: z
      .array(authority)
      .default([])
      .meta(d("Who may open a shell on a cell. The seeder's key is one without being listed")),
  })
  .meta(d('Who may change the genome, and who may log in'));

const health = z
  .strictObject({
    http: webPath.optional().meta(d('A path of the function that answers 2xx')),
    command: command.optional().meta(d('A command that ends with 0')),
    every: duration.prefault('5s').meta(d('Time between two checks')),
    timeout: duration.prefault('2s').meta(d('A check that takes longer has failed')),
    within: duration.prefault('30s').meta(d('How long a starting function may take to become healthy')),
  })
  .meta(d('http (a path that answers 2xx) or command (exit code 0)'));

const measure = z
  .strictObject({
    http: webPath.optional().meta(d('A path of the function that answers JSON')),
    path: z
      .string()
      .startsWith('$', 'expected a JSON path that begins with $, such as $.queue.length')
      .optional()
      .meta(d('Where the number is in that JSON: $.queue.length')),
    command: command.optional().meta(d('A command that prints the number')),
    bounds: z
      .tuple([bound, bound])
      .meta(d('[low, high]: over the high one there is too much to do, under the low one too little')),
  })
  .meta(d('cpu, memory and disk are measured by themselves; others need http with path, or command'));

const throttle = z
  .strictObject({
    run: command.meta(d('Takes load off, in degrees of 0 to 100')),
    relax: command.optional().meta(d('Ends it')),
  })
  .meta(d('Short-term relief, tried before any division'));

const link = z
  .strictObject({
    up: command.meta(d('Runs as a neighbour comes')),
    down: command.meta(d('Runs as a neighbour goes')),
  })
  .meta(d("Hooks that run as this function's neighbours come and go"));

/** Hooks around a move of data; each runs in the function's source folder with its environment. */
const handover = z
  .strictObject({
    dump: command
      .optional()
      .meta(
        d('Runs when requests wait, before the program stops: writes what must not be copied as files to $CELL_DUMP'),
      ),
    restore: command
      .optional()
      .meta(d('Runs at the new home before the function starts there; $CELL_DUMP is the dump')),
    merge: command.optional().meta(d('Runs where a replica came home; $CELL_FROM is the folder of its data')),
    within: duration.prefault('5m').meta(d('How long each of these hooks may take')),
  })
  .meta(d('Hooks around a move of data'));

const limits = z
  .strictObject({
    cpu: percent.optional().meta(d('Per cent of one core: 150% is a core and a half')),
    memory: size.optional().meta(d('More is not given; a program that insists is ended and started again')),
    tasks: z.number().int().min(1).optional().meta(d('How many threads and processes')),
  })
  .meta(d('What one function may use of its machine'));

const functionGene = z.strictObject({
  run: command
    .optional()
    .meta(d('The command line of the service; it listens on $HOST:$PORT. With `image`: the command in the container')),
  image: z
    .string()
    .min(1)
    .optional()
    .meta(d('A container image that podman runs: docker.io/library/redis:8, or docker-archive:FILE from the source')),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'expected the name of a Debian package'))
    .default([])
    .meta(d('Debian packages that must be on its machine')),
  limits: limits.prefault({}),
  sandbox: z
    .enum(['strict', 'off'])
    .default('strict')
    .meta(d("strict: its own user, no new privileges, writes only in its own folder; off: systemd's defaults")),
  source: z.string().optional().meta(d('A folder beside the genome, carried to every cell that performs the function')),
  /** Where other functions reach it on its cell's address; the program itself listens on $HOST:$PORT. */
  port: port.optional().meta(d("Where other functions reach it on its cell's address")),
  domain: hostname.optional().meta(d('Its name in the zone, pointing at every cell that performs it')),
  health: health.optional(),
  data: z
    .array(z.string())
    .default([])
    .meta(d("Files and folders in the function's own folder that belong to it and move with it")),
  env: z
    .record(
      variable,
      z.union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number, true or false' }),
    )
    .default({})
    .meta(d('Variables for the service. Never secrets: those go under `secrets`')),
  secrets: z
    .record(variable, secretSource)
    .default({})
    .meta(d('Secret variables and where each comes from: env:NAME, file:PATH or command:LINE')),
  pressure: z.record(name, measure).default({}).meta(d('What is measured, and the bounds in which it is healthy')),
  throttle: throttle.optional(),
  divide: z
    .enum(['delegate', 'replicate', 'never'])
    .default('never')
    .meta(d('delegate: move the function to a new cell; replicate: run it in both; never: stay')),
  needs: z
    .record(name, z.enum(['own', 'shared']))
    .default({})
    .meta(d("Functions it calls. own: a replica takes one along; shared: it uses its parent's while that is healthy")),
  link: link.optional(),
  handover: handover.prefault({}),
});

export const genomeSchema = z.strictObject({
  organism: name.meta(d('The name of the whole: lower-case letters, digits and dashes')),
  zone: hostname.meta(d('The DNS zone the organism lives in; every domain is this or below')),
  body: body.prefault({}),
  rhythm: rhythm.prefault({}),
  governance: governance.prefault({}),
  healing: healing.prefault({}),
  topology: z
    .strictObject({
      k: z.number().int().min(1).max(16).default(1).meta(d('Neighbours on each side of the ring')),
      p: z.number().min(0).max(1).default(0.8).meta(d('Chance of a shortcut for each link of the ring')),
    })
    .prefault({})
    .meta(d('How cells link up: a ring with shortcuts (Newman-Watts)')),
  membership: z.enum(['ssh']).default('ssh').meta(d('What carries the pulses')),
  clouds: z
    .record(name, cloud)
    .meta(d('Where machines may be made, by a name of your own; the first cell takes the first')),
  placement: placement.prefault({}),
  dns: dns.meta(d('Who answers for the zone: one provider, or several by names of your own')),
  credentials: z
    .strictObject({
      lifetime: duration
        .prefault('7d')
        .meta(d('How long a credential that is minted for a cell lasts; it is minted anew when two thirds are over')),
    })
    .prefault({})
    .meta(d('Credentials that are minted for each cell, where the provider can')),
  ingress: ingress.prefault({}),
  vaults: z
    .array(z.strictObject({ git: z.string().min(1).meta(d('A git remote')) }))
    .default([])
    .meta(d('Git remotes that keep a copy of the state')),
  functions: z.record(name, functionGene).meta(d('The services the organism performs, by name')),
});

/** A checked genome: durations in ms, money in cents, sizes in bytes, percentages 0 to 100. */
export type Genome = z.output<typeof genomeSchema>;
export type FunctionGene = Genome['functions'][string];
export type CloudGene = Genome['clouds'][string];
export type Measure = FunctionGene['pressure'][string];
export type Bound = Measure['bounds'][0];
export type Rhythm = Genome['rhythm'];
