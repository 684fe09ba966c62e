/**
 * Record sets of a hosted zone of Route 53, over AWS's own library: what the sweep sees, and what stands in a cell's way.
 *
 * Cells under one name are kept apart by set identifiers: each has a set of its own with one address (multivalue answer
 * routing), which Route 53 lets nobody else's set of that name and type replace.
 */
import type { ResourceRecordSet, Route53Client } from '@aws-sdk/client-route-53';
import { CellError } from '../../src/errors.ts';
import { type AwsCredential, awsCredential, awsError } from '../credentials/aws.ts';
import type { Json } from '../stack.ts';
import { noZone } from './hosted.api.ts';
import { listedIn, refuseForeign, type ZoneRecord } from './owned.ts';
import { type Place, placeOf } from './place.ts';
import { ownershipName, type RecordNeed, type TaggedRecord } from './record.ts';
import { setIdentifier } from './route53.ts';

const NAME = 'Route 53';
/** The most that it gives. */
const PAGE = 300;
/** Pages of one list, at most: an API that never comes to an end is not believed. */
const MOST_PAGES = 1_000;
/** How often a removal is planned anew that others were quicker with. */
const ATTEMPTS = 3;

interface Zone {
  readonly zone: string;
  readonly zoneId: string;
  readonly own: AwsCredential;
  readonly client: Route53Client;
}

const library = () => import('@aws-sdk/client-route-53');

async function clientOf(own: AwsCredential): Promise<Route53Client> {
  const { Route53Client: Client } = await library();
  const { accessKeyId, secretAccessKey, sessionToken, endpoint } = own;
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  // One place for all regions. It takes five requests a second from an account: its library waits and asks again.
  const options = { region: 'us-east-1', credentials, maxAttempts: 6 };
  return new Client(endpoint === undefined ? options : { ...options, endpoint });
}

async function opened(credential: Json): Promise<Zone> {
  const own = awsCredential(credential);
  const { zone, zoneId } = credential as { readonly zone: string; readonly zoneId: string };
  return { zone, zoneId, own, client: await clientOf(own) };
}

/** Does what asks AWS; what its library throws becomes ours, without the keys. */
async function asking<T>(own: AwsCredential, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CellError ? error : awsError(error, own);
  }
}

/** Names come with a dot at their end, and what is not plain in them as `\052`. */
function plainName(name: string): string {
  const bare = name.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return bare.toLowerCase().replace(/\.$/, '');
}

const plainText = (value: string) =>
  [...value.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, inside]) => (inside ?? '').replace(/\\(.)/gs, '$1')).join('');

/** One set is several records; an alias of AWS's own counts as the address that it stands for. */
function recordsIn(set: ResourceRecordSet): readonly ZoneRecord[] {
  const { Name = '', Type: type = '', TTL: ttl = 0, SetIdentifier = '', ResourceRecords = [], AliasTarget } = set;
  const name = plainName(Name);
  const values =
    AliasTarget === undefined ? ResourceRecords.map(({ Value = '' }) => Value) : [AliasTarget.DNSName ?? ''];
  return values.map((value) => ({
    ...{ id: `${name} ${type} ${SetIdentifier}`, name, type, ttl },
    value: type === 'TXT' ? plainText(value) : value,
  }));
}

/** The sets of the zone in its order, from a name on, as long as `while` says. */
async function setsFrom(
  { client, own, zoneId }: Zone,
  start: string | undefined,
  goOn: (set: ResourceRecordSet) => boolean,
): Promise<readonly ResourceRecordSet[]> {
  const { ListResourceRecordSetsCommand } = await library();
  const found: ResourceRecordSet[] = [];
  let next: { Name?: string | undefined; Type?: string | undefined; Identifier?: string | undefined } = { Name: start };
  for (let page = 1; page <= MOST_PAGES; page++) {
    const command = new ListResourceRecordSetsCommand({
      HostedZoneId: zoneId,
      MaxItems: PAGE,
      ...(next.Name === undefined ? {} : { StartRecordName: next.Name }),
      ...(next.Type === undefined ? {} : { StartRecordType: next.Type as 'A' }),
      ...(next.Identifier === undefined ? {} : { StartRecordIdentifier: next.Identifier }),
    });
    const answer = await asking(own, () => client.send(command));
    if (!Array.isArray(answer.ResourceRecordSets)) throw senseless('there is no list of record sets in it');
    for (const set of answer.ResourceRecordSets) {
      if (!goOn(set)) return found;
      found.push(set);
    }
    if (answer.IsTruncated !== true) return found;
    next = { Name: answer.NextRecordName, Type: answer.NextRecordType, Identifier: answer.NextRecordIdentifier };
  }
  throw senseless(`its list has more than ${MOST_PAGES} pages`);
}

function senseless(why: string): CellError {
  return new CellError('PROVIDER_REFUSED', `${NAME} answered what makes no sense`, {
    why,
    suggestion: 'A proxy may stand between, or the API is in trouble; this is tried again by itself.',
    fields: { provider: NAME },
  });
}

const setsAt = (zone: Zone, name: string) => setsFrom(zone, `${name}.`, (set) => plainName(set.Name ?? '') === name);

/** Throws PROVIDER_REFUSED where one of the names is somebody else's. */
export async function clearIn(credential: Json, { domains }: RecordNeed): Promise<void> {
  const zone = await opened(credential);
  for (const name of domains) {
    const sets = [...(await setsAt(zone, name)), ...(await setsAt(zone, ownershipName(name)))];
    refuseForeign(sets.flatMap(recordsIn), name);
  }
}

export async function listClaimsIn(credential: Json, organism: string): Promise<readonly TaggedRecord[]> {
  const zone = await opened(credential);
  const sets = await setsFrom(zone, undefined, () => true);
  return listedIn(sets.filter(({ Type }) => Type === 'TXT').flatMap(recordsIn), organism, zone.zone);
}

/** The sets of one cell under one name, in one transaction. Gone already is fine. */
export async function removeSets(credential: Json, id: string): Promise<void> {
  const zone = await opened(credential);
  const place: Place = placeOf(id);
  const { ChangeResourceRecordSetsCommand } = await library();
  for (let attempt = 1; ; attempt++) {
    const sets = [...(await setsAt(zone, place.name)), ...(await setsAt(zone, ownershipName(place.name)))];
    const own = sets.filter((set) => set.SetIdentifier === setIdentifier(place));
    if (own.length === 0) return;
    const Changes = own.map((ResourceRecordSet) => ({ Action: 'DELETE' as const, ResourceRecordSet }));
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: zone.zoneId, ChangeBatch: { Changes } });
    try {
      await asking(zone.own, () => zone.client.send(command));
      return;
    } catch (error) {
      const isStale = error instanceof CellError && error.fields.name === 'InvalidChangeBatch';
      if (!isStale || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** How many record sets the zone has, as it says itself. */
export async function setsIn(credential: Json): Promise<number> {
  const { client, own, zoneId } = await opened(credential);
  const { GetHostedZoneCommand } = await library();
  const { HostedZone } = await asking(own, () => client.send(new GetHostedZoneCommand({ Id: zoneId })));
  return HostedZone?.ResourceRecordSetCount ?? 0;
}

/** The id of the one public hosted zone of a name. */
export async function hostedZoneId(own: AwsCredential, zone: string): Promise<string> {
  const client = await clientOf(own);
  const { ListHostedZonesByNameCommand } = await library();
  const command = new ListHostedZonesByNameCommand({ DNSName: `${zone}.`, MaxItems: 100 });
  const { HostedZones = [] } = await asking(own, () => client.send(command));
  const named = HostedZones.filter(({ Name = '', Config }) => plainName(Name) === zone && Config?.PrivateZone !== true);
  const ids = named.map(({ Id = '' }) => Id.replace(/^\/hostedzone\//, ''));
  const [id, ...more] = ids;
  if (id === undefined) throw noZone(NAME, zone, await zonesOf(own, client));
  if (more.length === 0) return id;
  throw new CellError('PROVIDER_REFUSED', `${NAME} has ${ids.length} hosted zones called ${zone}`, {
    why: `they are ${ids.join(', ')}`,
    suggestion: 'Say `zoneId` under dns: the one whose name servers the zone is delegated to.',
    fields: { provider: NAME, zone },
  });
}

/** To say which are there; keys that may not look at all of them are good all the same. */
async function zonesOf(own: AwsCredential, client: Route53Client): Promise<readonly string[]> {
  const { ListHostedZonesByNameCommand } = await library();
  try {
    const { HostedZones = [] } = await asking(own, () =>
      client.send(new ListHostedZonesByNameCommand({ MaxItems: 100 })),
    );
    return HostedZones.map(({ Name = '' }) => plainName(Name));
  } catch {
    return [];
  }
}
