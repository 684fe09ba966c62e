/** AWS keys in the forms that AWS itself gives them to people. Pure. */
import { CellError } from '../../src/errors.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const NAMES = {
  accessKeyId: /^(?:AccessKeyId|aws_access_key_id)$/i,
  secretAccessKey: /^(?:SecretAccessKey|aws_secret_access_key)$/i,
  sessionToken: /^(?:SessionToken|aws_session_token)$/i,
} as const;

/**
 * The keys in a text: JSON as `aws configure export-credentials` and `aws sts assume-role` print it, or lines `NAME=value`
 * as in ~/.aws/credentials and in a shell; of several profiles the first. Throws NOT_FOUND, with the source and never
 * with the text.
 */
export function awsKeysIn(text: string, source: string): AwsKeys {
  const found = new Map<string, string>();
  for (const [name, value] of json(text) ?? lines(text)) {
    for (const [key, pattern] of Object.entries(NAMES)) {
      if (pattern.test(name) && value !== '' && !found.has(key)) found.set(key, value);
    }
  }
  const { accessKeyId, secretAccessKey, sessionToken } = Object.fromEntries(found);
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  const lacks = accessKeyId === undefined ? 'access key id' : 'secret access key';
  throw new CellError('NOT_FOUND', `There are no AWS keys at ${source}`, {
    why: `it says no ${lacks}`,
    suggestion:
      'Give both keys: `command:aws configure export-credentials`, or a file with aws_access_key_id and aws_secret_access_key.',
  });
}

type Pairs = readonly (readonly [name: string, value: string])[];

/** Its texts, those of `Credentials` inside of it too; null for what is no JSON. */
function json(text: string): Pairs | null {
  if (!text.trim().startsWith('{')) return null;
  try {
    const { Credentials, ...whole } = JSON.parse(text) as { readonly [key: string]: unknown };
    const inside = typeof Credentials === 'object' && Credentials !== null ? Credentials : {};
    return Object.entries({ ...whole, ...inside }).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    );
  } catch {
    return null;
  }
}

function lines(text: string): Pairs {
  return text.split('\n').flatMap((line) => {
    const [, name, quote, value] = /^\s*(?:export\s+)?(\w+)\s*=\s*(["']?)(.*?)\2\s*$/.exec(line) ?? [];
    return name === undefined || quote === undefined || value === undefined ? [] : [[name, value] as const];
  });
}
