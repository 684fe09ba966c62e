/** Every limit of what is stored and sent, each with why it has that number. Bytes, or ms where the name says so. */

/** A hello of a thousand cells takes some 150 kB: room for several thousand. */
export const MAX_MESSAGE = 1 << 20;
/** One frame of a pack: what a pipe takes at once. */
export const MAX_CHUNK = 1 << 16;
/** All packs of one session: a thousand feeds with their checkpoints and a genome with its sources fit in. */
export const MAX_PACK = 256 << 20;
/** One object that is read into memory: a checkpoint or a genome's file. */
export const MAX_OBJECT = 16 << 20;
/** One entry's JSON: the largest, a genesis with 1,000 functions, has some 40 kB. */
export const MAX_ENTRY = 1 << 18;
/** Files that one entry carries. */
export const MAX_FILES = 64;
/** Files of a genome. */
export const MAX_GENOME_FILES = 20_000;
/** Entries in one feed that are walked at once: years of a busy cell. */
export const MAX_CHAIN = 200_000;
/** Feeds named in one message: the design's thousand cells, with room for the dead. */
export const MAX_FEEDS = 5_000;
/** A pulse is a short statement; a cell with dozens of functions stays below. */
export const MAX_PULSE = 8 << 10;
/** Pulses are sent in messages of about this size. */
export const PULSE_BATCH = 256 << 10;
/** A line for people in a deed or a pulse; longer ones are cut, so that an error's text can never keep a deed from being said. */
export const MAX_WHY = 1_000;
/** Pieces of evidence kept for one feed: enough to see what happens, too few to fill a disk. */
export const MAX_EVIDENCE = 8;

/** A peer that says nothing for this long in a session is gone: a tick must not wait for it. */
export const SILENCE_MS = 15_000;
/** A whole session, also of a peer that sends one byte at a time. */
export const SESSION_MS = 120_000;
/** An SSH log-in takes a second or two on a loaded machine. */
export const CONNECT_S = 8;
/** Reading a pack in may take a while on a small machine, but never this long. */
export const INDEX_MS = 90_000;
/** Whoever holds the memory's lock works for less than this; a lock that is older was left by a killed process. */
export const LOCK_STALE_MS = 180_000;
/** Packs in the repository before they are joined: git gets slow with many. */
export const MANY_PACKS = 24;
/** Loose refs before they are packed into one file: each costs a read in every tick. */
export const MANY_REFS = 64;
/** Loose objects (estimated from one of 256 folders, as git itself does) before they are packed. */
export const MANY_LOOSE = 16;
/** What a killed process left half written is removed after this; nobody writes one thing for so long. */
export const LEFTOVER_MS = 15 * 60_000;
/** The first line of a session: a sha256 in hex and the line's end. */
export const GREETING_BYTES = 65;
/** For that line, s: who was let in and says nothing is no peer. */
export const GREETING_S = 20;
/** Keys that may change a genome: people and pipelines, so few. */
export const MAX_AUTHORITIES = 1_000;
/** Proposals kept beside the genome, those accepted lately among them: who was away for longer takes the line anew. */
export const MAX_PROPOSALS = 64;
