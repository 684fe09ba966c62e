/**
 * Short names that people can say, made from the hash of a cell's key: `amber-fox`.
 *
 * The lists are part of the stored format: a commit in a feed names its author by them, and its bytes are rebuilt when
 * it is checked. So they never change; a test holds their hash.
 */
import type { CellId } from '../model.ts';

export const QUALITIES =
  `amber ample arctic ashen autumn azure balmy bold brass brave breezy bright brisk bronze calm candid
cedar chalk cheery chief civic clear clever cobalt cool copper coral cosmic cozy crimson crisp cubic dapper daring dawn deep
deft dewy dusky eager early earthy easy ebony elder ember equal fabled fair fern festive fine firm fleet floral fluent fond
frank fresh frosty gentle gilded glad golden grand green hardy hazel hearty honest humble indigo ivory jade jolly jovial keen
kind lemon light lilac lively loyal lucid lucky lunar maple marble mellow merry mild mint misty modest mossy neat nimble noble
north oaken ochre olive opal open pearl placid plucky polar prime proud quiet rapid ready royal ruby rustic sage sandy serene
silver snowy solar steady sunny teal tidal topaz velvet`.split(/\s+/);

export const BEINGS =
  `adder alder aphid aspen badger bear beaver beech bison birch bobcat bream canary caribou carp civet cicada
clover cobra condor corgi cougar coyote crane cricket crow curlew cypress daisy deer dingo dove dolphin drake eagle eel egret elk elm
ermine falcon fennec ferret finch fir fox frog gannet gecko gibbon goose grouse gull hare hawk hamster heron hornet ibex ibis iguana
impala iris jackal jay kestrel kiwi koala lark lemur lily linnet lion lizard llama lobster lotus lynx macaw magpie mallow marmot
marten merlin mole moose moth newt ocelot orca oriole osprey otter owl panda parrot pelican perch pike pine plover poplar puffin
puma quail rabbit raven robin rowan salmon seal shrew skylark sparrow spruce stoat stork swan swift tapir tern thrush tiger toad
trout tulip turtle wren`.split(/\s+/);

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** The words of a hash, 13 of them: a quality, then beings. Each takes ten bits. */
function words(id: CellId): string[] {
  const out: string[] = [];
  for (let at = 0; at + 1 < id.length; at += 2) {
    const number = BASE32.indexOf(id[at] ?? '') * 32 + BASE32.indexOf(id[at + 1] ?? '');
    const list = at === 0 ? QUALITIES : BEINGS;
    out.push(list[((number % list.length) + list.length) % list.length] as string);
  }
  return out;
}

/** The first name of a cell: `amber-fox`. Two cells may have the same one. */
export function nameOf(id: CellId): string {
  return words(id).slice(0, 2).join('-');
}

/** A name that is not taken: further words of the hash are added until it is unique. */
export function uniqueName(id: CellId, taken: ReadonlySet<string>): string {
  const all = words(id);
  for (let count = 2; count <= all.length; count++) {
    const name = all.slice(0, count).join('-');
    if (!taken.has(name)) return name;
  }
  return `${nameOf(id)}-${id}`;
}
