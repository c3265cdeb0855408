-- Sliding window. KEYS[1]: one count. ARGV: amount, want, least, length in microseconds.
-- The window before counts with the part of it that is still in view, rounded up.
-- Answers granted, what this window and the one before have spent, and until this one ends.
local amount, want, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local length = tonumber(ARGV[4])
-- count * left / length, rounded up; products stay below 2^53: ten bits at a time where they would not.
local function in_view(count, left)
  local whole, rest = 0, 0
  if count * left < 9007199254740992 then
    rest = (count * left) % length
    whole = (count * left - rest) / length
  else
    for shift = 30, 0, -10 do
      local product = rest * 1024 + (math.floor(count / 2 ^ shift) % 1024) * left
      rest = product % length
      whole = whole * 1024 + (product - rest) / length
    end
  end
  if rest > 0 then whole = whole + 1 end
  return whole
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local from, current, before = now - now % length, 0, 0
local held = redis.call('GET', KEYS[1])
if held then
  local held_from, held_current, held_before = string.match(held, '^s (%d+) (%d+) (%d+)$')
  held_from = tonumber(held_from)
  -- A later window than now's: the clock went back (another server). It goes on.
  if held_from and held_from >= from and held_from % length == 0 then
    from, current, before = held_from, tonumber(held_current), tonumber(held_before)
  elseif held_from == from - length then
    before = tonumber(held_current)
  end
end
local left = math.min(from + length - now, length)
local room = math.max(amount - current - in_view(before, left), 0)
local granted = math.min(want, room)
if granted < least then granted = 0 end
if granted > 0 then
  current = current + granted
  local state = string.format('s %.0f %.0f %.0f', from, current, before)
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', math.ceil((from + 2 * length - now) / 1000)))
end
return { granted, current, before, left }
