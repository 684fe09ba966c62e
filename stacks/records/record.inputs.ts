/** What is wrong with the inputs of a resource that holds what one cell says under one name. */
import { isIP } from 'node:net';
import type { Inputs } from '../handler.ts';
import { ownershipName } from './record.ts';

/** RFC 1035 2.3.4. */
const LONGEST_NAME = 253;
const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** By key. `ttl`: seconds. */
export function problemsOf(
  inputs: Inputs,
  ttl: { readonly lowest: number; readonly highest: number },
): readonly { readonly key: string; readonly why: string }[] {
  const found: { key: string; why: string }[] = [];
  const say = (key: string, why: string) => found.push({ key, why });
  for (const key of ['organism', 'birth']) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(String(inputs[key]))) say(key, 'expected a plain word');
  }
  for (const key of ['zone', 'name']) {
    const name = String(inputs[key]);
    if (!NAME.test(name)) say(key, 'expected a domain name in lower case');
    else if (ownershipName(name).length > LONGEST_NAME) say(key, `it leaves no room for ${ownershipName('')}`);
  }
  const { zone, name, values } = inputs;
  if (name !== zone && !String(name).endsWith(`.${zone}`)) say('name', `${name} is not in the zone ${zone}`);
  const seconds = inputs.ttl as number;
  if (!Number.isInteger(seconds) || seconds < ttl.lowest || seconds > ttl.highest) {
    say('ttl', `expected whole seconds from ${ttl.lowest} to ${ttl.highest}`);
  }
  if (!Array.isArray(values) || values.length === 0) say('values', 'expected a list of addresses');
  else {
    for (const value of values) {
      if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%'))
        say('values', `${value} is no address`);
    }
  }
  return found;
}
