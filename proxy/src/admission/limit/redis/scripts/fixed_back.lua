-- Fixed window: gives back, as long as the window is the one it was spent in. ARGV: how much.
local held = redis.call('GET', KEYS[1])
if not held then return { 0 } end
local from, to, count = string.match(held, '^f (%d+) (%d+) (%d+)$')
local left = redis.call('PTTL', KEYS[1])
if not from or left <= 0 then return { 0 } end
local state = string.format('f %s %s %.0f', from, to, math.max(tonumber(count) - tonumber(ARGV[1]), 0))
redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', left))
return { 1 }
