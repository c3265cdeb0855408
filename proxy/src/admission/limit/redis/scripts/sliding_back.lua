-- Sliding window: gives back, to the window last spent in first. ARGV: how much.
local held = redis.call('GET', KEYS[1])
if not held then return { 0 } end
local from, current, before = string.match(held, '^s (%d+) (%d+) (%d+)$')
local left = redis.call('PTTL', KEYS[1])
if not from or left <= 0 then return { 0 } end
current, before = tonumber(current) - tonumber(ARGV[1]), tonumber(before)
if current < 0 then current, before = 0, math.max(before + current, 0) end
local state = string.format('s %s %.0f %.0f', from, current, before)
redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', left))
return { 1 }
