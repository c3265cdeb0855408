-- Who shares this store. KEYS[1]: when each process was last here. ARGV: the process, and after how many microseconds
-- it is believed gone. Answers how many there are.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local gone = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - gone))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + gone), '+inf')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 4 * gone / 1000))
return { redis.call('ZCARD', KEYS[1]) }
