/** How much genome is read, each limit with why it has that number. */

/** Twice what a thousand richly described functions need; more is refused before any parser sees it. UTF-16 units. */
export const MAX_TEXT = 1024 * 1024;

/** Forty for each of a thousand functions. Counted before any parser runs: empty lines cost it as much as full ones. */
export const MAX_LINES = 40_000;

/**
 * Tokens of YAML: a line has six to twelve. A thousand functions of twenty lines have some 220,000. What keeps any text
 * of MAX_TEXT, such as a megabyte of quotation marks, answered within a second.
 */
export const MAX_TOKENS = 320_000;

/** The genome itself is six levels deep; every level is a recursion in the composer. */
export const MAX_DEPTH = 64;

/** Values once aliases are written out, so that a few lines of aliases cannot stand for billions. */
export const MAX_VALUES = 200_000;

/** Anchors, aliases, tags and directives together. A genome needs few or none. */
export const MAX_MARKS = 1000;

/** Files that the genome carries. They travel to every cell and are kept in git for ever. Bytes. */
export const MAX_CARRIED_BYTES = 64 * 1024 * 1024;
export const MAX_CARRIED_FILES = 10_000;
