/**
 * IAM's evaluation of policies, as far as ours go: an explicit allow by action, resource and conditions, in the policy and
 * in what bounds it. moto looks at actions alone.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */

export interface Request {
  readonly action: string;
  readonly resource: string;
  /** Keys of conditions; several values where a request has several. */
  readonly context: Readonly<Record<string, string | readonly string[]>>;
}

interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface Document {
  readonly Statement: readonly Statement[];
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

function matches(pattern: string, value: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`).test(value);
}

const OPERATORS: Readonly<Record<string, (wanted: string, value: string) => boolean>> = {
  StringEquals: (wanted, value) => wanted === value,
  StringLike: matches,
  ArnLike: matches,
  DateLessThan: (wanted, value) => Date.parse(value) < Date.parse(wanted),
};

function holds(operator: string, wanted: readonly string[], values: readonly string[] | undefined): boolean {
  const [name = '', all] = operator.startsWith('ForAllValues:') ? [operator.slice(13), true] : [operator, false];
  const compare = OPERATORS[name];
  if (compare === undefined) throw new Error(`no operator ${operator} here`);
  const one = (value: string) => wanted.some((each) => compare(each, value));
  // A key that a request has not fits nothing, but for a condition over all of its values.
  if (values === undefined) return all;
  return all ? values.every(one) : values.some(one);
}

function applies({ Action, Resource, Condition = {} }: Statement, { action, resource, context }: Request): boolean {
  return (
    list(Action).some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase())) &&
    (Resource === undefined || list(Resource).some((pattern) => matches(pattern, resource))) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => {
        const values = Object.hasOwn(context, key) ? list(context[key]) : undefined;
        return holds(operator, list(wanted), values);
      }),
    )
  );
}

/** Whether a policy allows a request: something allows it, and nothing denies it. */
export function allows({ Statement }: Document, request: Request): boolean {
  const found = Statement.filter((one) => applies(one, request));
  return found.some(({ Effect }) => Effect === 'Allow') && !found.some(({ Effect }) => Effect === 'Deny');
}
