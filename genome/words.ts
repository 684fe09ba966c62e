/**
 * The words a genome is made of: quantities with units, names, ports, commands, keys, and where secrets come from.
 *
 * Quantities are written with units (`90s`, `80%`, `120 USD`) and arrive parsed: ms, percent, cents, bytes.
 */
import { z } from 'zod';
import { parseDuration, parseMoney, parsePercent, parseRate, parseSize } from './units.ts';

const NAME = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const HOSTNAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const VARIABLE = /^[A-Z_][A-Z0-9_]*$/;

export type QuantityKind = 'duration' | 'money' | 'percent' | 'size' | 'bound';
/** Which schemas are quantities, so that a finding can offer the unit that was meant. Kept out of the JSON Schema. */
export const quantities = z.registry<{ kind: QuantityKind }>();

function unit<T>(kind: QuantityKind, parse: (text: string) => T | null, expected: string) {
  return z
    .string({ error: `expected ${expected}` })
    .meta({ description: expected })
    .register(quantities, { kind })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: `expected ${expected}` });
      return z.NEVER;
    });
}

/** A duration in ms. */
export const duration = unit('duration', parseDuration, 'a duration with a unit, such as 250ms, 30s, 5m, 1h or 7d');
/** Money in cents. */
export const money = unit('money', parseMoney, 'an amount with a currency, such as 120 USD or 4.50 EUR');
export const percent = unit('percent', parsePercent, 'a percentage, such as 40%');
/** Bytes. */
export const size = unit('size', parseSize, 'a size with a unit, such as 512MiB or 1GB');

const BOUND = 'a number, or a quantity with a unit: 80%, 512MiB, 250ms, 100/s';
/**
 * One end of a pair of bounds: a bare number, or a percentage, size, duration or rate.
 * A function's measure and its bounds must be of one kind; check.ts sees to that.
 */
export const bound = z
  .union([z.number().min(0), z.string()], { error: `expected ${BOUND}` })
  .meta({ description: BOUND })
  .register(quantities, { kind: 'bound' })
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
    context.addIssue({ code: 'custom', message: `expected ${BOUND}` });
    return z.NEVER;
  });
export type BoundKind = 'number' | 'percent' | 'size' | 'duration' | 'rate';

export const name = z
  .string()
  .regex(NAME, 'expected a name: lower-case letters, digits and dashes, beginning with a letter, at most 32');
export const hostname = z.string().regex(HOSTNAME, 'expected a domain name in lower case, such as www.example.org');
export const port = z
  .number()
  .int()
  .min(1024, 'expected a port from 1024 to 65535')
  .max(65535, 'expected a port from 1024 to 65535');
export const command = z.string().min(1, 'expected a command line');
export const webPath = z.string().startsWith('/', 'expected a path that begins with /, such as /health');
export const variable = z.string().regex(VARIABLE, 'expected a variable name in capitals, such as API_TOKEN');
export const authority = z
  .string()
  .regex(/^ssh-ed25519 [A-Za-z0-9+/]+=*(?: .*)?$/, 'expected an OpenSSH public key: ssh-ed25519 AAAA… comment');
const SOURCES = 'expected env:NAME, file:PATH or command:LINE';
/** Where a secret comes from; never the secret itself. */
export const secretSource = z
  .string({ error: SOURCES })
  .regex(/^(?:env:[A-Z_][A-Z0-9_]*|file:.+|command:.+)$/, SOURCES);

/** Of providers that mint credentials. */
export const mint = z
  .boolean()
  .default(true)
  .meta({ description: 'Each cell gets a credential of its own, minted with this one; false: they all get this one' });

/** What editors show for a field. */
export const d = (description: string) => ({ description });
