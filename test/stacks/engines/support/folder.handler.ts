/**
 * Handlers backed by a folder, one file a resource: what the conformance suite gives both engines.
 *
 * Credential: `{folder, token}`. The folder also steers them: `fail-OPERATION-NAME` makes that operation fail,
 * `hang-OPERATION-NAME` makes it stop after its effect until the process is killed (it writes `hanging-…` then). Every
 * call is a line of `calls`. A file is written under a fresh name whatever was there, and adopted by identity (the
 * `name` input), so a handler that were not idempotent, or an engine that forgot, would leave two.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../../../../stacks/handler.ts';

interface Credential {
  readonly folder: string;
  readonly token: string;
}

/** With `find`, as a good handler has it, and without. */
function folderHandler(type: string, finds: boolean): ResourceHandler {
  const handler: ResourceHandler = {
    type,
    provider: 'folder',
    replaceOn: ['name', 'kind'],
    secretInputs: ['password'],
    check(inputs) {
      const findings: { key: string; why: string }[] = [];
      if (typeof inputs.name !== 'string') findings.push({ key: 'name', why: 'it is not a text' });
      if (inputs.size !== undefined && typeof inputs.size !== 'number') {
        findings.push({ key: 'size', why: 'it is not a number' });
      }
      return findings;
    },
    async create(inputs, context) {
      const folder = note('create', inputs, context);
      const found = fileOf(folder, inputs);
      const file = found ?? `r-${randomUUID()}.json`;
      if (found === undefined || !existsSync(join(folder, found))) put(folder, file, inputs);
      await stop(folder, 'create', inputs);
      failWhenTold(folder, 'create', inputs, context);
      return live(folder, file);
    },
    async read(id, inputs, context) {
      const folder = note('read', inputs, context);
      return existsSync(join(folder, id)) ? live(folder, id) : null;
    },
    async update(id, _before, after, context) {
      const folder = note('update', after, context);
      failWhenTold(folder, 'update', after, context);
      put(folder, id, after);
      await stop(folder, 'update', after);
      return live(folder, id);
    },
    async delete(id, inputs, context) {
      const folder = note('delete', inputs, context);
      failWhenTold(folder, 'delete', inputs, context);
      rmSync(join(folder, id), { force: true });
      await stop(folder, 'delete', inputs);
    },
  };
  if (!finds) return handler;
  return {
    ...handler,
    async find(inputs, context) {
      const folder = note('find', inputs, context);
      const file = fileOf(folder, inputs);
      return file === undefined ? null : live(folder, file);
    },
  };
}

export const handlers: readonly ResourceHandler[] = [
  folderHandler('cell:folder:Thing', true),
  folderHandler('cell:folder:Plain', false),
];

/** The contents of every file, by the `name` in it; a name that is there twice fails. */
export function things(folder: string): Record<string, Inputs> {
  const all: Record<string, Inputs> = {};
  for (const file of readdirSync(folder).filter((name) => name.startsWith('r-'))) {
    const inputs = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Inputs;
    if (Object.hasOwn(all, String(inputs.name))) throw new Error(`there are two of ${String(inputs.name)}`);
    all[String(inputs.name)] = inputs;
  }
  return all;
}

/** The calls since the folder was made, `OPERATION NAME`, without those that only look. */
export function calls(folder: string): readonly string[] {
  const file = join(folder, 'calls');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  return lines.filter((line) => !/^(read|find) /.test(line));
}

function note(operation: string, inputs: Inputs, { credential }: HandlerContext): string {
  const { folder, token } = credential as unknown as Credential;
  if (typeof token !== 'string' || token === '') throw new Error('no credential');
  appendFileSync(join(folder, 'calls'), `${operation} ${String(inputs.name)}\n`);
  return folder;
}

function failWhenTold(folder: string, operation: string, inputs: Inputs, { credential }: HandlerContext): void {
  if (!existsSync(join(folder, `fail-${operation}-${String(inputs.name)}`))) return;
  // As careless as a real provider's message may be.
  const { token } = credential as unknown as Credential;
  throw new Error(`told to fail, asked with ${token} for ${JSON.stringify(inputs)}`);
}

async function stop(folder: string, operation: string, inputs: Inputs): Promise<void> {
  const order = join(folder, `hang-${operation}-${String(inputs.name)}`);
  if (!existsSync(order)) return;
  rmSync(order);
  writeFileSync(join(folder, `hanging-${operation}-${String(inputs.name)}`), String(process.pid));
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}

function fileOf(folder: string, inputs: Inputs): string | undefined {
  return readdirSync(folder)
    .filter((name) => name.startsWith('r-'))
    .find((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as Inputs).name === inputs.name);
}

function put(folder: string, file: string, inputs: Inputs): void {
  writeFileSync(join(folder, file), JSON.stringify(inputs));
}

function live(folder: string, file: string): Live {
  const inputs = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, never>;
  // An output of another name that holds a secret, as connection strings do.
  const url = `folder://${String(inputs.password ?? '')}@${String(inputs.name)}`;
  return { id: file, outputs: { ...inputs, url, address: `address-of-${String(inputs.name)}` } };
}
