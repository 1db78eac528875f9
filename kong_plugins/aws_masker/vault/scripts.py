"""What runs inside Redis (5 and later, Valkey), so that one round trip is enough and nothing happens by halves.

A tenant has four keys in one slot of a cluster: `records` (hash: field to record), `added` (sorted set: when each
field was first written, in microseconds, never twice the same), `used` (sorted set: its last use, in milliseconds) and
`state` (hash).
"""

from __future__ import annotations

KEYS = ("records", "added", "used", "state")

EXCHANGE = """
local records, added, used, state = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local since, ttl, most, page, first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), 5
local function whole_number(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function drop(fields)
  for _, field in ipairs(fields) do
    redis.call('HDEL', records, field)
    redis.call('ZREM', added, field)
    redis.call('ZREM', used, field)
  end
end
drop(redis.call('ZRANGEBYSCORE', used, '-inf', whole_number(now - ttl), 'LIMIT', 0, 1000))

-- The caller's last record is gone: so may be others that it takes for kept (FLUSHALL, a failover, an old snapshot).
local lost = 0
if since ~= '0' and redis.call('ZCOUNT', added, since, since) == 0 then
  since = '0'
  lost = 1
end
local fresh = redis.call('ZRANGEBYSCORE', added, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, page)
local more = (#fresh == 2 * page) and 1 or 0
local news = {}
for i = 1, #fresh, 2 do
  local record = redis.call('HGET', records, fresh[i])
  if record then
    news[#news + 1] = fresh[i]
    news[#news + 1] = record
    news[#news + 1] = whole_number(now - (redis.call('ZSCORE', used, fresh[i]) or now))
  end
  since = fresh[i + 1]
end

local held, there = {}, {}
for i = first, #ARGV, 2 do
  local present = redis.call('HGET', records, ARGV[i])
  there[i] = present
  if present and present:sub(6, 21) ~= ARGV[i + 1]:sub(6, 21) then  -- the tags: another value
    held[#held + 1] = ARGV[i]
    held[#held + 1] = present
  end
end
if #ARGV >= first and #held == 0 then
  local stamp = tonumber(redis.call('ZREVRANGE', added, 0, 0, 'WITHSCORES')[2] or '0')
  local before = stamp
  stamp = math.max(stamp, clock[1] * 1000000 + clock[2])
  for i = first, #ARGV, 2 do
    local field, record, present = ARGV[i], ARGV[i + 1], there[i]
    if not present then
      stamp = stamp + 1
      before = stamp
      redis.call('HSET', records, field, record)
      redis.call('ZADD', added, whole_number(stamp), field)
    elseif present:sub(2, 5) ~= record:sub(2, 5) then  -- the key ids
      redis.call('HSET', records, field, record)
    end
    redis.call('ZADD', used, whole_number(now), field)
  end
  local over = redis.call('ZCARD', used) - most
  if over > 0 then drop(redis.call('ZRANGE', used, 0, over - 1)) end
  if more == 0 and before > 0 then since = whole_number(before) end
  for _, key in ipairs({records, added, used, state}) do redis.call('PEXPIRE', key, whole_number(ttl + 60000)) end
end
return {lost, more, since, redis.call('HGET', state, 'forgotten') or '', held, news}
"""
"""ARGV: what the caller has seen (a time of `added`, or 0), time to live (ms), most records, most news of one reply,
then field and record of each that it has used. Returns: whether it is told everything anew; whether there is more; up
to where it has seen now; what changes when the tenant is forgotten; field and record of each that is held for another
value, in which case nothing was written; field, record and age (ms) of each that came since."""

FORGET = """
local count = redis.call('HLEN', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[4], 'forgotten', ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[2])
return count
"""
"""ARGV: anything that was not used before, and for how long (ms) it is kept. Returns the number of records."""

RESEAL = """
local done = 0
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    done = done + 1
  end
end
return done
"""
"""ARGV: fields, each with the record as it was read and as it is to be. Returns how many were still as read."""
