/**
 * What the provider says to the embedded DNS: calls that start it when need be, and its end.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../errors.ts';
import { API_TIMEOUT_MS, type ApiAnswer, call, type DnsCredential, POLL_MS, running } from './dns-reach.ts';
import { ensureDns, portIsFree } from './dns-start.ts';
import { readZones } from './dns-store.ts';

export { type DnsCredential, dnsCredential, ensureToken } from './dns-reach.ts';
export { ensureDns } from './dns-start.ts';

/** Whether anything was ever put here. Where nothing was, nothing need be started to know it. */
export function everUsed(credential: DnsCredential): boolean {
  return existsSync(join(credential.dir, 'records.json'));
}

/** One call to the API, with the server started if need be. Answers 2xx and 404; throws PROVIDER_REFUSED for others. */
export async function callDns(
  credential: DnsCredential,
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  options: { readonly owner?: string; readonly body?: unknown } = {},
): Promise<ApiAnswer> {
  const deadline = Date.now() + API_TIMEOUT_MS;
  for (;;) {
    const port = await ensureDns(credential);
    let answer: ApiAnswer;
    try {
      answer = await call(port, credential.token, method, path, options);
    } catch (thrown) {
      // It ended between the two. Every call can be made twice.
      if (Date.now() > deadline) throw thrown;
      await sleep(POLL_MS);
      continue;
    }
    if (answer.status === 404 || (answer.status >= 200 && answer.status < 300)) return answer;
    if (answer.status === 503 && Date.now() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    const why = (answer.body as { why?: string } | null)?.why ?? `status ${answer.status}`;
    throw new CellError(answer.status === 403 ? 'NOT_ALLOWED' : 'PROVIDER_REFUSED', 'The local DNS said no', {
      why,
      fields: { status: answer.status },
    });
  }
}

/**
 * Ends the server when it has no record left, waits until its port is free, and removes its folder. False when there
 * are records, of whatever organism, and everything stays.
 */
export async function stopDns(credential: DnsCredential): Promise<boolean> {
  const { dir } = credential;
  if (!existsSync(dir)) return true;
  const now = await running(credential);
  if (now === null) {
    if ((await readZones(dir)).sets.length > 0) return false;
  } else {
    const { status } = await call(now.api, credential.token, 'POST', '/v1/stop');
    if (status === 409) return false;
    const deadline = Date.now() + API_TIMEOUT_MS;
    while (!(await portIsFree(now.port))) {
      if (Date.now() > deadline) {
        throw new CellError('TIMEOUT', `The local DNS still has 127.0.0.1:${now.port}`, { why: 'it was told to stop' });
      }
      await sleep(POLL_MS);
    }
  }
  await rm(dir, { recursive: true, force: true });
  return true;
}
