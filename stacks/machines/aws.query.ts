/**
 * EC2's query protocol: signed forms, answered in XML. Four calls of it do not need the 1.5 MB that the SDK's client of EC2
 * would add to every cell; its signer and its XML are taken.
 */
import { createHash, createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseXML } from '@aws-sdk/xml-builder';
import { SignatureV4 } from '@smithy/signature-v4';
import { CellError, messageOf } from '../../src/errors.ts';
import { type AwsCredential, awsCredential } from '../credentials/aws.ts';
import { redact } from '../engines/secrets.ts';
import { refusedCredential } from '../rest.ts';
import type { Json } from '../stack.ts';
import type { Patience } from './rented.api.ts';

const VERSION = '2016-11-15';
const TIMEOUT_MS = 30_000;
/** The first and the further ones; every call that is made here may be made twice. */
const ATTEMPTS = 4;
const PAUSE_MS = 500;
const UNTAKEN = /^(?:AuthFailure|ExpiredToken|RequestExpired|InvalidClientTokenId|SignatureDoesNotMatch)/;

/** An element by its name: a text, or what it holds. Several of one name are a list. */
export type Xml = string | readonly Xml[] | { readonly [name: string]: Xml };

/**
 * One call. Gives null when the answer's code is among `gone`. Throws PROVIDER_REFUSED with fields provider, status
 * (0: no answer), and code as EC2 says it.
 */
export async function ec2(
  credential: Json,
  action: string,
  parameters: Readonly<Record<string, string>>,
  gone: readonly string[] = [],
  { pause = sleep }: Patience = {},
): Promise<{ readonly [name: string]: Xml } | null> {
  const keys = awsCredential(credential);
  const body = new URLSearchParams({ Action: action, Version: VERSION, ...parameters }).toString();
  for (let attempt = 1; ; attempt++) {
    const answer = await post(keys, body).catch((thrown: unknown) => ({ status: 0, text: messageOf(causeOf(thrown)) }));
    if (answer.status >= 200 && answer.status < 300) return whole(action, answer);
    const { code, message } = answer.status === 0 ? { code: 'no answer', message: answer.text } : reasonIn(answer.text);
    if (gone.includes(code)) return null;
    const again = answer.status === 0 || answer.status >= 500 || code === 'RequestLimitExceeded';
    if (!again || attempt === ATTEMPTS) throw refused(keys, action, answer.status, code, message);
    await pause(PAUSE_MS * 2 ** (attempt - 1));
  }
}

async function post(keys: AwsCredential, body: string): Promise<{ status: number; text: string }> {
  const { region = 'us-east-1', endpoint = `https://ec2.${region}.amazonaws.com` } = keys;
  const url = new URL(endpoint);
  const signer = new SignatureV4({ service: 'ec2', region, credentials: keys, sha256: Sha256 });
  const { headers } = await signer.sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: {},
    headers: { host: url.host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body,
  });
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
  return { status: response.status, text: await response.text() };
}

/** Node's hashes as the signer wants them. */
class Sha256 {
  private readonly hash;
  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.hash = key === undefined ? createHash('sha256') : createHmac('sha256', key as string | Uint8Array);
  }
  update(data: string | Uint8Array): void {
    this.hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }
}

function whole(action: string, { status, text }: { status: number; text: string }): { readonly [name: string]: Xml } {
  const answer = read(text)?.[`${action}Response`];
  if (typeof answer === 'object' && !Array.isArray(answer)) return answer as { readonly [name: string]: Xml };
  throw new CellError('PROVIDER_REFUSED', 'AWS answered what makes no sense', {
    why: `${action} gave ${status} and ${text.length} characters of something else`,
    suggestion: 'A proxy may stand between, or the API is in trouble; this is tried again by itself.',
    fields: { provider: 'AWS', status },
  });
}

function reasonIn(text: string): { code: string; message: string } {
  const errors = (read(text)?.Response as { readonly Errors?: { readonly Error?: Xml } } | undefined)?.Errors?.Error;
  const [first] = itemsIn(errors) as readonly { readonly Code?: string; readonly Message?: string }[];
  return { code: first?.Code ?? 'Unknown', message: first?.Message ?? `${text.length} characters that are no reason` };
}

function read(text: string): { readonly [name: string]: Xml } | null {
  try {
    return parseXML(text) as { readonly [name: string]: Xml };
  } catch {
    return null;
  }
}

/** What an element holds as a list, which one alone is not and an empty one neither. */
export function itemsIn(value: Xml | undefined): readonly Xml[] {
  if (value === undefined || value === '') return [];
  return Array.isArray(value) ? value : [value];
}

function refused(keys: AwsCredential, action: string, status: number, code: string, message: string): CellError {
  const said = redact(`${code}: ${message}`, [keys.secretAccessKey, keys.sessionToken ?? '', keys.accessKeyId]);
  const fields = { provider: 'AWS', action, code };
  if (UNTAKEN.test(code)) return refusedCredential('AWS', said, fields);
  return new CellError('PROVIDER_REFUSED', `AWS refused ${action}`, {
    why: said,
    ...(code === 'UnauthorizedOperation' ? { suggestion: 'The policy of these keys does not reach so far.' } : {}),
    fields: { ...fields, status },
  });
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
}
