/**
 * DigitalOcean's own document, to check stand-ins against: which scope an operation asks for, whether a request fits, and
 * whether an answer does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { parse } from 'yaml';

type Schema = Readonly<Record<string, unknown>>;
type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface Operation {
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly requestBody?: { readonly content?: Content };
  readonly responses: Readonly<Record<string, unknown>>;
}

const FILE = join(import.meta.dirname, 'digitalocean.openapi.yaml');
const ID = 'digitalocean';

const document = parse(readFileSync(FILE, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const ajv = new Ajv({ strict: false, allErrors: false, unicodeRegExp: false });
(formats as unknown as (one: Ajv) => void)(ajv);
ajv.addSchema({ $id: ID, ...nullable(document) } as never);
const compiled = new Map<string, ValidateFunction>();

/** OpenAPI 3.0 says `nullable` where JSON Schema says a type of null, and examples are not schemas. */
function nullable(value: unknown): Record<string, unknown> {
  const walk = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null) return one;
    const { nullable: isNullable, example: _, examples: __, ...rest } = one as Record<string, unknown>;
    const walked = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, walk(part)]));
    if (isNullable !== true) return walked;
    if (typeof walked.type !== 'string') return { anyOf: [walked, { type: 'null' }] };
    const withNull = Array.isArray(walked.enum) ? { enum: [...walked.enum, null] } : {};
    return { ...walked, type: [walked.type, 'null'], ...withNull };
  };
  return walk(value) as Record<string, unknown>;
}

export interface Documented {
  readonly method: string;
  /** As the document has it, with names in braces. */
  readonly template: string;
  /** Any one of these sets of scopes will do. */
  readonly scopes: readonly (readonly string[])[];
  readonly statuses: readonly string[];
}

/** The operation that a request is of, or null for none that is documented. */
export function operationOf(method: string, path: string): Documented | null {
  const parts = path.split('/');
  const fits = Object.keys(document.paths).filter((template) => {
    const wanted = template.split('/');
    return wanted.length === parts.length && wanted.every((part, at) => part.startsWith('{') || part === parts[at]);
  });
  // A word goes before a name in braces.
  const [template] = fits.sort((a, b) => a.split('{').length - b.split('{').length);
  const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
  if (template === undefined || operation === undefined) return null;
  const scopes = (operation.security ?? []).map((one) => Object.values(one).flat());
  return { method, template, scopes, statuses: Object.keys(operation.responses) };
}

/** What is wrong with a request's body, or null. */
export function wrongRequest(method: string, path: string, body: unknown): string | null {
  const found = operationOf(method, path);
  if (found === null) return `no operation ${method} ${path} is documented`;
  const operation = document.paths[found.template]?.[method.toLowerCase()];
  const type = Object.keys(operation?.requestBody?.content ?? {})[0];
  if (type === undefined) return body === undefined ? null : 'no body is documented';
  return check([...pointer(found), 'requestBody', 'content', type, 'schema'], body);
}

/** What is wrong with an answer, or null. */
export function wrongAnswer(method: string, path: string, status: number, body: unknown): string | null {
  const found = operationOf(method, path);
  if (found === null) return `no operation ${method} ${path} is documented`;
  const key = found.statuses.includes(String(status)) ? String(status) : 'default';
  const at = [...pointer(found), 'responses', key];
  const response = resolve(at);
  const types = Object.keys((response.value.content as Content | undefined) ?? {});
  if (types.length === 0) return body === undefined ? null : `${status} is documented without a body`;
  return check([...response.at, 'content', types[0] as string, 'schema'], body);
}

function pointer({ template, method }: Documented): string[] {
  return ['paths', template, method.toLowerCase()];
}

/** What stands at a place of the document, references followed. */
function resolve(at: readonly string[]): { readonly at: readonly string[]; readonly value: Record<string, unknown> } {
  let value: unknown = document;
  for (const part of at) value = (value as Record<string, unknown>)[part];
  const reference = (value as { readonly $ref?: string }).$ref;
  return reference === undefined
    ? { at, value: value as Record<string, unknown> }
    : resolve(
        reference
          .slice(2)
          .split('/')
          .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
      );
}

function check(at: readonly string[], value: unknown): string | null {
  const escaped = at.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
  const reference = `${ID}#/${escaped.join('/')}`;
  const validate = compiled.get(reference) ?? ajv.compile({ $ref: reference });
  compiled.set(reference, validate);
  return validate(value) === true ? null : ajv.errorsText(validate.errors);
}
