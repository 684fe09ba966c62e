/** Where a cell says something, as the id of a resource and apart. */
import type { Owner } from './claims.ts';

export interface Place extends Owner {
  readonly zone: string;
  readonly name: string;
}

export const placeId = ({ organism, birth, zone, name }: Place): string => [organism, birth, zone, name].join('/');

export function placeOf(id: string): Place {
  const [organism = '', birth = '', zone = '', name = ''] = id.split('/');
  return { organism, birth, zone, name };
}
