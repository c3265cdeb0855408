-- Token bucket: gives back. ARGV: amount, what is given back (whole microseconds, parts of 1/amount).
local amount = tonumber(ARGV[1])
local held = redis.call('GET', KEYS[1])
if not held then return { 0 } end
local whole, parts, of = string.match(held, '^b (%d+) (%d+) (%d+)$')
if not whole or tonumber(of) ~= amount then return { 0 } end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ahead, part = tonumber(whole) - now - tonumber(ARGV[2]), tonumber(parts) - tonumber(ARGV[3])
if part < 0 then ahead, part = ahead - 1, part + amount end
if ahead < 0 then
  redis.call('DEL', KEYS[1])
else
  local state = string.format('b %.0f %.0f %.0f', now + ahead, part, amount)
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', math.ceil((ahead + 1) / 1000)))
end
return { 1 }
