/** Instances of an organism in one region, by its tag, over EC2's API: what the sweep sees and what the fence ends. */
import { ORGANISM_TAG } from '../credentials/aws.policy.ts';
import type { Json } from '../stack.ts';
import { ec2, itemsIn, type Xml } from './aws.query.ts';
import type { TaggedMachine } from './machine.ts';
import { hasTwin, type Patience, untilGone } from './rented.api.ts';

const BIRTH_TAG = 'cell:birth';
const PARENT_TAG = 'cell:parent';
const PAGE = '1000';
/** All but `terminated`, which it shows for an hour. */
const THERE = ['pending', 'running', 'shutting-down', 'stopping', 'stopped'];
const NO_INSTANCE = ['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed'];

interface Instance {
  readonly instanceId?: string;
  readonly instanceState?: { readonly name?: string };
  readonly ipAddress?: string;
  readonly ipv6Address?: string;
  readonly tagSet?: { readonly item?: Xml };
}

export async function listInstances(
  organism: string,
  credential: Json,
  patience: Patience = {},
): Promise<readonly TaggedMachine[]> {
  const filters = filtered([
    [`tag:${ORGANISM_TAG}`, [organism]],
    ['instance-state-name', THERE],
  ]);
  const found: TaggedMachine[] = [];
  let next: Xml | undefined = '';
  do {
    const token: Record<string, string> = next === '' ? {} : { NextToken: String(next) };
    const asked = { ...filters, MaxResults: PAGE, ...token };
    const answer = await ec2(credential, 'DescribeInstances', asked, [], patience);
    found.push(...instancesIn(answer).map(machineOf));
    next = answer?.nextToken ?? '';
  } while (next !== '');
  return found;
}

/** The instance, and the security group of its birth, unless another of that birth is there. Each may be gone already. */
export async function removeInstance(id: string, credential: Json, patience: Patience = {}): Promise<void> {
  const look = async () => {
    const answer = await ec2(credential, 'DescribeInstances', { 'InstanceId.1': id }, NO_INSTANCE, patience);
    return instancesIn(answer)[0];
  };
  const instance = await look();
  if (instance === undefined) return;
  await ec2(credential, 'TerminateInstances', { 'InstanceId.1': id }, NO_INSTANCE, patience);
  const isOver = async () => ((await look())?.instanceState?.name ?? 'terminated') === 'terminated';
  await untilGone(`AWS's instance ${id}`, isOver, patience);
  const birth = tagOf(instance, BIRTH_TAG);
  if (birth === null) return;
  const others = await listInstances(tagOf(instance, ORGANISM_TAG) ?? '', credential, patience);
  if (!hasTwin(others, id, birth)) await removeGroups(birth, credential, patience);
}

/** What was made for an instance that is not there. */
export async function clearInstance({ birth }: { readonly birth: string }, credential: Json): Promise<void> {
  await removeGroups(birth, credential, {});
}

/** What an instance leaves holds its group for some seconds more. */
async function removeGroups(birth: string, credential: Json, patience: Patience): Promise<void> {
  const isGone = async () => {
    const asked = filtered([[`tag:${BIRTH_TAG}`, [birth]]]);
    const answer = await ec2(credential, 'DescribeSecurityGroups', asked, [], patience);
    const groups = itemsIn((answer?.securityGroupInfo as { readonly item?: Xml } | undefined)?.item);
    for (const group of groups as readonly { readonly groupId?: string }[]) {
      const held = ['InvalidGroup.NotFound', 'DependencyViolation'];
      await ec2(credential, 'DeleteSecurityGroup', { GroupId: group.groupId ?? '' }, held, patience);
    }
    return groups.length === 0;
  };
  await untilGone(`AWS's security group of ${birth}`, isGone, patience);
}

function machineOf(instance: Instance): TaggedMachine {
  const { instanceId = '', instanceState, ipAddress, ipv6Address } = instance;
  return {
    id: instanceId,
    birth: tagOf(instance, BIRTH_TAG) ?? instanceId,
    parent: tagOf(instance, PARENT_TAG) ?? '',
    address: ipAddress ?? null,
    address6: ipv6Address,
    running: instanceState?.name === 'running' || instanceState?.name === 'pending',
  };
}

function instancesIn(answer: { readonly [name: string]: Xml } | null): readonly Instance[] {
  const reservations = itemsIn((answer?.reservationSet as { readonly item?: Xml } | undefined)?.item);
  return reservations.flatMap((one) =>
    itemsIn((one as { readonly instancesSet?: { readonly item?: Xml } }).instancesSet?.item),
  ) as readonly Instance[];
}

function tagOf({ tagSet }: Instance, key: string): string | null {
  const tags = itemsIn(tagSet?.item) as readonly { readonly key?: string; readonly value?: string }[];
  return tags.find((tag) => tag.key === key)?.value ?? null;
}

function filtered(filters: readonly (readonly [name: string, values: readonly string[]])[]): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [at, [name, values]] of filters.entries()) {
    flat[`Filter.${at + 1}.Name`] = name;
    for (const [index, value] of values.entries()) flat[`Filter.${at + 1}.Value.${index + 1}`] = value;
  }
  return flat;
}
