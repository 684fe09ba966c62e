/** Credentials that are one bearer token. */
import { CellError } from '../../src/errors.ts';
import type { Json } from '../stack.ts';

export interface TokenCredential {
  readonly token: string;
  /** Where the API is, without a slash at its end, when not at its usual place. */
  readonly endpoint?: string;
}

/** Throws NOT_ALLOWED where there is none. */
export function tokenIn(credential: Json, provider: string): TokenCredential {
  const { token, endpoint } = (credential ?? {}) as { readonly token?: unknown; readonly endpoint?: unknown };
  if (typeof token !== 'string' || token === '') {
    throw new CellError('NOT_ALLOWED', `This cell has no credential for ${provider}`, {
      why: 'a cell gets one only for what it will do: machines with a budget, records with a domain',
    });
  }
  return typeof endpoint === 'string' ? { token, endpoint } : { token };
}

/** The same for another token: what else stood in the credential stays. */
export function withToken(credential: Json, token: string): Json {
  return { ...(credential as { readonly [key: string]: Json }), token };
}
