/** Where Linode's API is, by the endpoint of a genome, which may have the version of the API at its end or not. */
import type { ResourceSpec } from './stack.ts';

const USUAL = 'https://api.linode.com';
const USUAL_VERSION = 'v4';
const VERSION = /\/(v\d+(?:beta)?)$/;

/** For calls: always with a version. */
export function linodeBase(endpoint: string = USUAL): string {
  return VERSION.test(endpoint) ? endpoint : `${endpoint}/${USUAL_VERSION}`;
}

/** For the plugin of its package, which adds the version by itself. */
export function linodeSettings(endpoint: string | undefined): ResourceSpec['inputs'] {
  if (endpoint === undefined) return {};
  const [, version = USUAL_VERSION] = VERSION.exec(endpoint) ?? [];
  const url = endpoint.replace(VERSION, '');
  return version === USUAL_VERSION ? { url } : { url, apiVersion: version };
}
