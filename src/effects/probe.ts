/**
 * Questions to a running function: over HTTP, or by a command. What cannot be answered is a reason, never a number.
 *
 * node:http and not fetch: loading undici would cost a tick 15 ms.
 */
import { request } from 'node:http';
import { parseDuration, parsePercent, parseRate, parseSize } from '../../genome/units.ts';
import type { BoundKind } from '../../genome/words.ts';
import { messageOf } from '../errors.ts';

export type Outcome<T> = { readonly value: T } | { readonly why: string };

/** A metrics page is small; more than this is something else. */
const LARGEST_ANSWER = 1024 * 1024;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** GET on the function's own port. `keepBody` false: only the status is waited for. */
export function httpGet(
  where: { readonly host: string; readonly port: number },
  path: string,
  timeoutMs: number,
  keepBody = true,
): Promise<Outcome<HttpAnswer>> {
  return new Promise((resolve) => {
    // No agent: one that keeps connections alive would keep the tick alive too.
    const call = request({ ...where, path, agent: false, headers: { connection: 'close', accept: '*/*' } });
    const end = (outcome: Outcome<HttpAnswer>) => {
      clearTimeout(timer);
      resolve(outcome);
      call.destroy();
    };
    const timer = setTimeout(() => end({ why: `no answer within ${timeoutMs} ms` }), timeoutMs);
    call.on('error', (error: NodeJS.ErrnoException) => end({ why: error.code ?? error.message }));
    call.on('response', (response) => {
      const status = response.statusCode ?? 0;
      if (!keepBody) return end({ value: { status, body: '' } });
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > LARGEST_ANSWER) end({ why: `the answer is larger than ${LARGEST_ANSWER} bytes` });
      });
      response.on('end', () => end({ value: { status, body: Buffer.concat(chunks).toString('utf8') } }));
      response.on('error', (error) => end({ why: error.message }));
      response.on('close', () => end({ why: 'the answer broke off' }));
    });
    call.end();
  });
}

/** `$`, names and indices only: no library is needed for these. */
const PLAIN_PATH = /^\$(?:\.[A-Za-z_]\w*|\[\d+\])*$/;

/** The one value at a JSON path (RFC 9535). */
export async function jsonAt(document: unknown, path: string): Promise<Outcome<unknown>> {
  if (!PLAIN_PATH.test(path)) {
    try {
      const { jsonpath } = await import('json-p3');
      const found = jsonpath.query(path, document as never).values();
      return found.length === 1 ? { value: found[0] } : { why: `${path} names ${found.length} values, not one` };
    } catch (thrown) {
      return { why: `${path}: ${messageOf(thrown)}` };
    }
  }
  let value = document;
  for (const [step, name, index] of path.matchAll(/\.(\w+)|\[(\d+)\]/g)) {
    const isList = Array.isArray(value);
    const key = index ?? name ?? '';
    const fits = typeof value === 'object' && value !== null && isList === (index !== undefined);
    if (!fits || !Object.hasOwn(value as object, isList ? Number(key) : key))
      return { why: `nothing at ${step} of ${path}` };
    value = (value as Record<string, unknown>)[isList ? String(Number(key)) : key];
  }
  return { value };
}

/** The number at a JSON path of an answer's text. */
export async function numberAt(body: string, path: string): Promise<Outcome<number>> {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return { why: 'the answer is not JSON' };
  }
  const found = await jsonAt(document, path);
  if ('why' in found) return found;
  return typeof found.value === 'number' ? { value: found.value } : { why: `${path} is not a number` };
}

const UNITS: Partial<Record<BoundKind, (text: string) => number | null>> = {
  percent: parsePercent,
  size: parseSize,
  duration: parseDuration,
  rate: parseRate,
};

/**
 * The first number of a text, in the canonical unit of its bounds (percent, bytes, ms, per second). A unit written
 * behind it is honoured when it is of that kind; one of another kind would make it a wrong number.
 */
export function firstNumber(text: string, kind: BoundKind): Outcome<number> {
  const match = /(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/.exec(text);
  if (match === null) return { why: 'no number in the output' };
  const behind = /^\s?(%|[A-Za-z]+|\/[smh])(?![\w/])/.exec(text.slice(match.index + match[0].length))?.[1];
  const adjacent = /^(?:%|[A-Za-z]|\/[smh])/.test(text.slice(match.index + match[0].length));
  if (behind !== undefined) {
    const value = UNITS[kind]?.(`${match[0]}${behind}`) ?? null;
    if (value !== null) return { value };
    if (adjacent) return { why: `${match[0]}${behind} is not a ${kind}` };
  } else if (adjacent) return { why: `no number in the output` };
  const value = Number(match[0]);
  return Number.isFinite(value) ? { value } : { why: 'no number in the output' };
}
