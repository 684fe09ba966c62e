/**
 * The queue on Redis: addresses to crawl, of which each is at any time in one of two sorted sets.
 *
 * - `due`: by the time (ms) when it may be handed out; +inf when it was handed out too often and is put aside;
 * - `leased`: by the time when its lease runs out;
 * - `lease` and `attempts` are hashes by address. An address is its own id.
 *
 * Each operation is one script, so nothing comes between its steps and a crash cannot leave half of it.
 */
import { randomUUID } from 'node:crypto';
import { refuseRoot } from './lib/children.js';
import { MAX_ATTEMPTS, serveMessages, VISIBILITY } from './messages.js';
import { openRedis } from './redis.js';

/** Leases that ran out: back among the due ones. */
const RECLAIM = `
local function reclaim(now, max)
  for _, url in ipairs(redis.call('ZRANGEBYSCORE', 'leased', '-inf', '(' .. now)) do
    local tries = tonumber(redis.call('HGET', 'attempts', url) or '0')
    redis.call('ZREM', 'leased', url)
    redis.call('ZADD', 'due', tries >= tonumber(max) and '+inf' or now, url)
  end
end`;

/** ARGV: due, url, due, url, … */
const ADD = `
local added = 0
for i = 1, #ARGV, 2 do
  if not redis.call('ZSCORE', 'leased', ARGV[i + 1]) then
    added = added + redis.call('ZADD', 'due', 'NX', ARGV[i], ARGV[i + 1])
  end
end
return added`;

/** ARGV: now, until, lease, most attempts. */
const LEASE = `${RECLAIM}
reclaim(ARGV[1], ARGV[4])
local url = redis.call('ZRANGEBYSCORE', 'due', '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if not url then return false end
redis.call('ZREM', 'due', url)
redis.call('ZADD', 'leased', ARGV[2], url)
redis.call('HSET', 'lease', url, ARGV[3])
return { url, redis.call('HINCRBY', 'attempts', url, 1) }`;

/** ARGV: url, lease, when it is due again or ''. */
const ACKNOWLEDGE = `
if redis.call('HGET', 'lease', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', 'lease', ARGV[1])
redis.call('HDEL', 'attempts', ARGV[1])
redis.call('ZREM', 'leased', ARGV[1])
redis.call('ZREM', 'due', ARGV[1])
if ARGV[3] ~= '' then redis.call('ZADD', 'due', ARGV[3], ARGV[1]) end
return 1`;

/** ARGV: now, most attempts. A message that is leased is due as well: nobody has done it yet. */
const STATS = `${RECLAIM}
reclaim(ARGV[1], ARGV[2])
local leased = redis.call('ZCARD', 'leased')
return {
  leased + redis.call('ZCARD', 'due'),
  leased + redis.call('ZCOUNT', 'due', '-inf', ARGV[1]),
  leased,
  redis.call('ZCOUNT', 'due', '+inf', '+inf'),
}`;

refuseRoot();
const redis = await openRedis();
/** EVAL keeps a script by its hash, so it is compiled once. */
const run = (script, ...args) => redis.command('EVAL', script, 0, ...args);

serveMessages({
  add: (list) => run(ADD, ...list.flatMap(({ url, due }) => [due, url])),
  async lease() {
    const now = Date.now();
    const lease = randomUUID();
    const found = await run(LEASE, now, now + VISIBILITY, lease, MAX_ATTEMPTS);
    if (found === null) return null;
    const [url, attempts] = found;
    return { id: url, url, attempts, lease };
  },
  async acknowledge({ id, lease, again }) {
    const due = again === undefined ? '' : Date.now() + Number(again);
    return (await run(ACKNOWLEDGE, id, lease, due)) === 1 ? null : 'that lease is not the current one';
  },
  async stats() {
    const [messages, due, leased, dead] = await run(STATS, Date.now(), MAX_ATTEMPTS);
    return { messages, due, leased, dead };
  },
  close: () => redis.close(),
});
