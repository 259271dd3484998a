"""What Redis runs in one step. Every writing tells whether what was written before is still there.

A store counts its writings in a key of its own, in Redis. Each script gets the count that Redis has
acknowledged last, first of ARGV; where Redis knows a smaller one, it has lost writings (a replica
that was behind took over, or a restart with `appendfsync everysec`): nothing is done then, and the
smaller count alone is returned. Otherwise the new count is returned, and what came of it.
"""

COUNT_KEPT_S = 90 * 24 * 3600
"""The count of a store that was killed goes then; one that is closed takes it away itself."""

_HEAD = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count < tonumber(ARGV[1]) then return {count} end
"""
_COUNTED = f"""
count = count + 1
redis.call('SET', KEYS[1], count, 'EX', {COUNT_KEPT_S})
"""

# KEYS: the count, the sorted set of keys, the values. ARGV: the count, then key and value in turns.
PUT = f"""
{_HEAD}{_COUNTED}
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], ARGV[2 * i - 3])
  redis.call('ZADD', KEYS[2], 0, ARGV[2 * i - 4])
end
return {{count, 1}}
"""

# KEYS: the count, the sorted set of keys, the value. ARGV: the count, the key, the value that is
# expected and the new one, each empty for none. Without a new one nothing is counted: a Redis that
# is full refuses whatever may grow, and must let things go.
CHANGE = f"""
{_HEAD}
local known = redis.call('GET', KEYS[3])
if (known or '') ~= ARGV[3] then return {{count, 0}} end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[3])
  redis.call('ZREM', KEYS[2], ARGV[2])
  return {{count, 1}}
end
{_COUNTED}
redis.call('SET', KEYS[3], ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[2])
return {{count, 1}}
"""

# KEYS: the count, the log. ARGV: the count, then number and record in turns.
ADD = f"""
{_HEAD}{_COUNTED}
local added = 0
for i = 2, #ARGV, 2 do added = added + redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) end
return {{count, added}}
"""

# KEYS: the counters. ARGV: for each of them what is owed, the least, the most, the limit, and the
# seconds for which it is kept. Not counted as a writing: a counter that is lost begins anew.
DRAW = """
local found = {}
for i = 1, #KEYS do
  local at = 5 * (i - 1)
  local total = tonumber(redis.call('GET', KEYS[i]) or '0') + tonumber(ARGV[at + 1])
  local least, most = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if total < 0 then total = 0 end
  local left = tonumber(ARGV[at + 4]) - total
  local granted = 0
  if least > 0 and least <= left then granted = math.min(most, left) end
  total = total + granted
  redis.call('SET', KEYS[i], string.format('%.0f', total), 'EX', ARGV[at + 5])
  found[2 * i - 1] = granted
  found[2 * i] = total
end
return found
"""

# A cache: its values expire by themselves, each under a key of its own (KEYS[5], or KEYS[1] in
# CACHE_GET); what is known of them stands in a sorted set by last use, in a hash of their sizes,
# in the number of their bytes, and in a clock of uses. Not counted as a writing: what is lost is
# missed, and comes again. The other keys that PUT removes begin with what is ARGV[7].
_FORGET = """
local function forget(key)
  local size = redis.call('HGET', sizes, key)
  if not size then return end
  redis.call('HDEL', sizes, key)
  redis.call('ZREM', used, key)
  redis.call('DECRBY', bytes, size)
end
"""

# KEYS: the value, the uses, the sizes, the bytes, the clock. ARGV: the key. A Redis that is full
# refuses to note the use: the value is found all the same.
CACHE_GET = f"""
local used, sizes, bytes = KEYS[2], KEYS[3], KEYS[4]
{_FORGET}
local value = redis.call('GET', KEYS[1])
if not value then forget(ARGV[1]) return nil end
local now = redis.pcall('INCR', KEYS[5])
if type(now) == 'number' then redis.pcall('ZADD', used, now, ARGV[1]) end
return value
"""

# KEYS: as above. ARGV: the key, the value, the milliseconds for which it is kept, its size, the
# most bytes, 1 where only a new one is kept, and how keys of values begin.
CACHE_PUT = f"""
local used, sizes, bytes = KEYS[2], KEYS[3], KEYS[4]
{_FORGET}
local function total() return tonumber(redis.call('GET', bytes) or '0') end
if tonumber(ARGV[4]) > tonumber(ARGV[5]) then return {{0, 0, total()}} end
if ARGV[6] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return {{0, 0, total()}} end
forget(ARGV[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('HSET', sizes, ARGV[1], ARGV[4])
redis.call('ZADD', used, redis.call('INCR', KEYS[5]), ARGV[1])
local now, evicted = redis.call('INCRBY', bytes, ARGV[4]), 0
while now > tonumber(ARGV[5]) do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if not oldest then break end
  redis.call('DEL', ARGV[7] .. oldest)
  forget(oldest)
  now, evicted = total(), evicted + 1
end
local ttl = tonumber(ARGV[3])
for i = 2, 5 do
  if redis.call('PTTL', KEYS[i]) < ttl then redis.call('PEXPIRE', KEYS[i], ttl) end
end
return {{1, evicted, now}}
"""

# KEYS and ARGV: as those of CACHE_GET.
CACHE_DROP = f"""
local used, sizes, bytes = KEYS[2], KEYS[3], KEYS[4]
{_FORGET}
redis.call('DEL', KEYS[1])
forget(ARGV[1])
"""
