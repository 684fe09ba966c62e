/**
 * The machine's side of systemctl: a unix socket, and the commands in systemd's words and exit codes.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { messageOf } from '../errors.ts';
import type { ControlReply, ControlRequest } from './protocol.ts';
import { Service } from './service.ts';
import { type Supervisor, unitName } from './supervisor.ts';

/** Units that are part of the machine. */
export interface BuiltIn {
  readonly description: string;
  readonly pid: number;
  reload(): void | Promise<void>;
}

export interface ControlWorld {
  readonly supervisor: Supervisor;
  readonly builtIn: ReadonlyMap<string, BuiltIn>;
  readonly powerOff: () => void;
}

const MAX_REQUEST = 1 << 20;

/** Listens on `socket` and says so in the file `at`. */
export async function startControl(socket: string, at: string, world: ControlWorld): Promise<Server> {
  rmSync(socket, { force: true });
  const server = createServer((client) => {
    let text = '';
    client.setEncoding('utf8');
    client.on('error', () => client.destroy());
    client.on('data', (data) => {
      text += data;
      const end = text.indexOf('\n');
      if (text.length > MAX_REQUEST) client.destroy();
      if (end < 0) return;
      client.removeAllListeners('data');
      void reply(text.slice(0, end), world).then((answer) => client.end(`${JSON.stringify(answer)}\n`));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  writeFileSync(at, `${socket}\n`);
  return server;
}

async function reply(line: string, world: ControlWorld): Promise<ControlReply> {
  try {
    return await perform((JSON.parse(line) as ControlRequest).args, world);
  } catch (thrown) {
    return { code: 1, out: '', err: `${messageOf(thrown)}\n` };
  }
}

interface Arguments {
  readonly verb: string;
  readonly units: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly properties: readonly string[];
  readonly signal: string;
}

/** Flags that stand before, between or after the rest; those with a value take the next word. */
export function parseArguments(words: readonly string[]): Arguments {
  const flags = new Set<string>();
  const plain: string[] = [];
  const properties: string[] = [];
  let signal = 'SIGTERM';
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const value = () => (word.includes('=') ? word.slice(word.indexOf('=') + 1) : (words[++i] ?? ''));
    if (word === '-p' || word.startsWith('--property')) properties.push(...value().split(','));
    else if (word.startsWith('-p') && !word.startsWith('--')) properties.push(...word.slice(2).split(','));
    else if (word === '-s' || word.startsWith('--signal')) signal = value().replace(/^(?:SIG)?/, 'SIG');
    else if (word.startsWith('-')) flags.add(word.replace(/=.*$/, ''));
    else plain.push(word);
  }
  const [verb = 'list-units', ...units] = plain;
  return { verb, units, flags, properties, signal };
}

async function perform(words: readonly string[], world: ControlWorld): Promise<ControlReply> {
  const args = parseArguments(words);
  const { supervisor } = world;
  const quiet = args.flags.has('-q') || args.flags.has('--quiet');
  switch (args.verb) {
    case 'daemon-reload':
      supervisor.daemonReload();
      return done();
    case 'poweroff':
    case 'halt':
      world.powerOff();
      return done();
    case 'start':
    case 'stop':
    case 'restart':
    case 'reload':
    case 'reload-or-restart':
      return change(args.verb, args, world);
    case 'enable':
    case 'disable':
      return enable(args.verb, args, world);
    case 'reset-failed':
      for (const unit of args.units.length > 0
        ? args.units.map((name) => supervisor.get(unitName(name)))
        : supervisor.list()) {
        if (unit instanceof Service) unit.reset();
      }
      return done();
    case 'kill':
      for (const name of args.units) {
        const unit = supervisor.get(unitName(name));
        if (unit instanceof Service) unit.signal(args.signal as NodeJS.Signals);
      }
      return done();
    case 'is-active':
    case 'is-failed': {
      const states = args.units.map((name) => describe(unitName(name), world).ActiveState as string);
      const wanted = args.verb === 'is-active' ? 'active' : 'failed';
      const code = states.includes(wanted) ? 0 : args.verb === 'is-active' ? 3 : 1;
      return { code, out: quiet ? '' : states.map((state) => `${state}\n`).join(''), err: '' };
    }
    case 'is-enabled': {
      const states = args.units.map((name) => describe(unitName(name), world).UnitFileState as string);
      return { code: states.includes('enabled') ? 0 : 1, out: quiet ? '' : `${states.join('\n')}\n`, err: '' };
    }
    case 'show':
      return done(args.units.map((name) => show(describe(unitName(name), world), args)).join('\n'));
    case 'status':
      return status(args.units, world);
    case 'list-units':
      return done(listUnits(args, world));
    default:
      return { code: 1, out: '', err: `Unknown command verb '${args.verb}'.\n` };
  }
}

function done(out = ''): ControlReply {
  return { code: 0, out, err: '' };
}

async function change(verb: string, { units, flags }: Arguments, world: ControlWorld): Promise<ControlReply> {
  if (units.length === 0) return { code: 1, out: '', err: 'Too few arguments.\n' };
  const errors: string[] = [];
  const one = async (text: string): Promise<void> => {
    const name = unitName(text);
    const builtIn = world.builtIn.get(name);
    if (builtIn !== undefined) {
      if (verb === 'stop') throw new Error(`${name} is part of the machine and cannot be stopped`);
      if (verb !== 'start') await builtIn.reload();
      return;
    }
    if (verb === 'start') return world.supervisor.start(name);
    if (verb === 'stop') return world.supervisor.stop(name);
    const unit = world.supervisor.get(name);
    const reload =
      verb === 'reload' || (verb === 'reload-or-restart' && unit instanceof Service && unit.unit.reload.length > 0);
    return reload ? world.supervisor.reload(name) : world.supervisor.restart(name);
  };
  const all = Promise.all(
    units.map((name) =>
      one(name).catch((thrown: unknown) => {
        errors.push(`Failed to ${verb} ${name}: ${messageOf(thrown)}`);
      }),
    ),
  );
  if (!flags.has('--no-block')) await all;
  return errors.length === 0 ? done() : { code: 5, out: '', err: errors.map((error) => `${error}\n`).join('') };
}

async function enable(verb: 'enable' | 'disable', args: Arguments, world: ControlWorld): Promise<ControlReply> {
  const told = args.units
    .map(unitName)
    .filter((name) => !world.builtIn.has(name))
    .flatMap((name) => world.supervisor[verb](name));
  const err = told.map((line) => `${line}\n`).join('');
  if (!args.flags.has('--now')) return { code: 0, out: '', err };
  const changed = await change(verb === 'enable' ? 'start' : 'stop', args, world);
  return { ...changed, err: err + changed.err };
}

/** The properties of a unit, those of systemd that are true here. */
function describe(name: string, { supervisor, builtIn }: ControlWorld): Record<string, string> {
  const part = builtIn.get(name);
  if (part !== undefined) return properties(name, part.description, 'active', 'running', 'enabled', part.pid);
  const unit = supervisor.find(name);
  if (unit === null) {
    return { ...properties(name, name, 'inactive', 'dead', '', 0), LoadState: 'not-found' };
  }
  const enabled = supervisor.isEnabled(name) ? 'enabled' : unit.unit.wantedBy.length > 0 ? 'disabled' : 'static';
  if (!(unit instanceof Service)) {
    const [state, sub] = unit.active ? ['active', 'waiting'] : ['inactive', 'dead'];
    return properties(name, unit.unit.description, state, sub, enabled, 0);
  }
  const { code, signal } = unit.lastExit;
  return {
    ...properties(name, unit.unit.description, unit.state, unit.sub, enabled, unit.mainPid),
    Type: unit.unit.type,
    Result: unit.result,
    ExecMainCode: signal === null ? '1' : '2',
    ExecMainStatus: String(code ?? 0),
    NRestarts: String(unit.restarts),
    ControlGroup: unit.mainPid === 0 ? '' : `/system.slice/${name}`,
    ActiveEnterTimestamp: unit.startedAt === null ? '' : new Date(unit.startedAt).toISOString(),
  };
}

function properties(name: string, description: string, state: string, sub: string, enabled: string, pid: number) {
  return {
    Id: name,
    Description: description,
    LoadState: 'loaded',
    ActiveState: state,
    SubState: sub,
    UnitFileState: enabled,
    MainPID: String(pid),
  };
}

function show(all: Record<string, string>, { properties: wanted, flags }: Arguments): string {
  const names = wanted.length > 0 ? wanted.filter((name) => Object.hasOwn(all, name)) : Object.keys(all);
  return names.map((name) => (flags.has('--value') ? `${all[name]}\n` : `${name}=${all[name]}\n`)).join('');
}

function status(names: readonly string[], world: ControlWorld): ControlReply {
  let code = 0;
  const out = names.map((text) => {
    const unit = describe(unitName(text), world);
    if (unit.LoadState === 'not-found') code = 4;
    else if (unit.ActiveState !== 'active' && code === 0) code = 3;
    if (unit.LoadState === 'not-found') return `Unit ${unit.Id} could not be found.\n`;
    return [
      `* ${unit.Id} - ${unit.Description}`,
      `     Loaded: loaded (${unit.UnitFileState})`,
      `     Active: ${unit.ActiveState} (${unit.SubState})`,
      `   Main PID: ${unit.MainPID}`,
      '',
    ].join('\n');
  });
  return { code, out: out.join('\n'), err: '' };
}

function listUnits({ flags }: Arguments, world: ControlWorld): string {
  const names = [...world.builtIn.keys(), ...world.supervisor.list().map((unit) => unit.unit.name)];
  const rows = names
    .map((name) => describe(name, world))
    .filter((unit) => flags.has('--all') || flags.has('-a') || unit.ActiveState !== 'inactive');
  const width = Math.max(4, ...rows.map((unit) => (unit.Id as string).length));
  const line = (id = '', load = '', active = '', sub = '', description = '') =>
    `${id.padEnd(width)} ${load.padEnd(9)} ${active.padEnd(12)} ${sub.padEnd(12)} ${description}\n`;
  const body = rows.map((unit) => line(unit.Id, unit.LoadState, unit.ActiveState, unit.SubState, unit.Description));
  return (flags.has('--no-legend') ? '' : line('UNIT', 'LOAD', 'ACTIVE', 'SUB', 'DESCRIPTION')) + body.join('');
}
