/** Names and tags of rented machines: within what each provider takes, whoever they are for, and never two alike. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as aws from '../../../stacks/machines/aws.ts';
import * as digitalocean from '../../../stacks/machines/digitalocean.ts';
import * as linode from '../../../stacks/machines/linode.ts';
import type { MachineNeed } from '../../../stacks/machines/machine.ts';
import { fitted, flat, flatValue, labelOf, type Rules, tagsOf } from '../../../stacks/machines/tags.ts';
import { birthId, machineName } from '../../../stacks/names.ts';

/** Names as the schema has them: with dashes anywhere but at the ends, many beside each other, up to 32. */
const name = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/);
const birth = fc.tuple(fc.string(), fc.nat()).map(([parent, seq]) => birthId(parent, seq));
const id = fc.stringMatching(/^[a-z2-7]{26}$/);
const need: fc.Arbitrary<MachineNeed> = fc.record({
  ...{ organism: name, birth, parent: fc.oneof(fc.constant('seed'), id), cloud: name },
  functions: fc.uniqueArray(name, { maxLength: 60 }),
  opens: fc.constant({ web: [], ports: [] }),
});

/** What the providers say in their documents, written down apart from the rules that keep to it. */
const LABELS: readonly (readonly [string, Rules, RegExp])[] = [
  ['a droplet', digitalocean.NAME_RULES, /^[a-zA-Z0-9][a-zA-Z0-9.-]{0,62}$/],
  ['an instance of Linode', linode.LABEL_RULES, /^(?!.*(?:--|__|\.\.))[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}[a-zA-Z0-9]$/],
  ['a firewall of Linode', linode.FIREWALL_RULES, /^(?!.*(?:--|__|\.\.))[a-zA-Z0-9][a-zA-Z0-9_.-]{1,30}[a-zA-Z0-9]$/],
  ['a security group', aws.GROUP_RULES, /^(?!sg-.*:)[a-zA-Z0-9 ._:/()#,@[\]+=&;{}!$*-]{1,250}$/],
];
const TAGS: readonly (readonly [string, Rules, RegExp])[] = [
  ['DigitalOcean', digitalocean.TAG_RULES, /^[a-zA-Z0-9_:-]{1,255}$/],
  ['Linode', linode.TAG_RULES, /^[a-zA-Z0-9_:.-]{3,50}$/],
];

test.each(LABELS)('the name of %s fits, and has its birth at its end', (_, rules, allowed) => {
  fc.assert(
    fc.property(need, (one) => {
      const label = labelOf(one, rules);
      expect(label).toMatch(allowed);
      expect(label.endsWith(`-${one.birth}`)).toBe(true);
    }),
  );
});

test.each(LABELS)('the names of %s differ as the machines do', (_, rules) => {
  fc.assert(
    fc.property(need, need, fc.boolean(), (a, other, sameBirth) => {
      const b = sameBirth ? { ...other, birth: a.birth } : other;
      expect(labelOf(a, rules) === labelOf(b, rules)).toBe(
        machineName(a.organism, a.birth) === machineName(b.organism, b.birth),
      );
    }),
  );
});

test('a name that fits is left as it is', () => {
  const garden = { organism: 'garden', birth: 'b0123456789' };
  for (const [, rules] of LABELS) expect(labelOf(garden, rules)).toBe('garden-b0123456789');
  const long = { organism: 'a-garden-of-very-many-kinds', birth: 'b0123456789' };
  expect(labelOf(long, linode.LABEL_RULES)).toBe('a-garden-of-very-many-kinds-b0123456789');
  expect(labelOf(long, linode.FIREWALL_RULES)).toMatch(/^a-garden-[0-9a-f]{10}-b0123456789$/);
  expect(labelOf({ ...long, organism: 'a--b' }, linode.LABEL_RULES)).toMatch(/^a-b-[0-9a-f]{10}-b0123456789$/);
});

test.each(TAGS)('tags at %s fit, and say what they were made of', (_, rules, allowed) => {
  fc.assert(
    fc.property(need, (one) => {
      const tags = tagsOf(one).map((tag) => flat(tag, rules));
      for (const tag of tags) expect(tag).toMatch(allowed);
      expect(flatValue(tags, 'organism')).toBe(one.organism);
      expect(flatValue(tags, 'birth')).toBe(one.birth);
      expect(flatValue(tags, 'parent')).toBe(one.parent);
      expect(new Set(tags).size).toBe(3 + one.functions.length);
    }),
  );
});

test('tags at AWS fit, however many functions there are', () => {
  fc.assert(
    fc.property(need, (one) => {
      const tags = aws.tagged(one);
      for (const [key, value] of Object.entries(tags)) {
        expect(key).toMatch(/^(?!aws:)[\w:]{1,128}$/);
        expect(value).toMatch(/^[\w .:/=+\-@]{1,256}$/);
      }
      expect(tags).toMatchObject({ 'cell:organism': one.organism, 'cell:birth': one.birth, 'cell:parent': one.parent });
      expect(Object.hasOwn(tags, 'cell:function')).toBe(one.functions.length > 0);
      const reversed = { ...one, functions: [...one.functions].reverse() };
      expect(aws.tagged(reversed)).toEqual(tags);
    }),
  );
});

test('any text is made to fit, and different texts stay different', () => {
  const rules = [...LABELS, ...TAGS].map(([, one]) => one);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 400 }), fc.string({ minLength: 1 }), (a, b) => {
      for (const one of rules) {
        const text = fitted(a, one);
        expect(text.length).toBeGreaterThan(0);
        expect(text.length).toBeLessThanOrEqual(one.max);
        expect(text.replace(one.bad, '!')).toBe(text);
        expect(fitted(text, one)).toBe(text);
        expect(fitted(b, one) === text).toBe(a === b);
      }
    }),
  );
});
