/**
 * Makes the images that the lab starts machines from, before any test waits for them: some minutes each, once on a
 * computer. Where the lab cannot be run it makes none, and the tests say what is missing.
 */
import { BOOKWORM, cachedImage, LAB_PACKAGES } from './box.ts';
import { NSPAWN, needs } from './needs.ts';

if (!needs('images', NSPAWN)) {
  await cachedImage('trixie', LAB_PACKAGES);
  await cachedImage(BOOKWORM.suite, BOOKWORM.packages);
}
