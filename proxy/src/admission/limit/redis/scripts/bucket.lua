-- Token bucket (GCRA). KEYS[1]: one count. All numbers stay below 2^53: whole microseconds and parts of one
-- (1/amount each) are kept apart, and what would need larger products was computed by the caller.
-- ARGV: amount, most (whole, parts), want (whole, parts), one (whole, parts), want, least.
-- Answers granted and how far ahead of now the bucket is afterwards (whole, parts).
local amount = tonumber(ARGV[1])
local most, most_part = tonumber(ARGV[2]), tonumber(ARGV[3])
local want, least = tonumber(ARGV[8]), tonumber(ARGV[9])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ahead, part = 0, 0
local held = redis.call('GET', KEYS[1])
if held then
  local whole, parts, of = string.match(held, '^b (%d+) (%d+) (%d+)$')
  if whole then
    ahead, part = tonumber(whole) - now, tonumber(parts)
    if tonumber(of) ~= amount then
      -- The rate has changed: parts of another size, rounded up.
      if part > 0 then ahead = ahead + 1 end
      part = 0
    end
    if ahead < 0 then ahead, part = 0, 0 end
    if ahead > most or (ahead == most and part > most_part) then ahead, part = most, most_part end
  end
end
local granted = 0
local next_ahead, next_part = ahead + tonumber(ARGV[4]), part + tonumber(ARGV[5])
if next_part >= amount then next_ahead, next_part = next_ahead + 1, next_part - amount end
if next_ahead < most or (next_ahead == most and next_part <= most_part) then
  granted = want
elseif least < want then
  local one, one_part = tonumber(ARGV[6]), tonumber(ARGV[7])
  local room, room_part = most - ahead, most_part - part
  if room_part < 0 then room, room_part = room - 1, room_part + amount end
  -- An estimate that is never too small, then exactly.
  granted = math.min(want, math.floor((room + room_part / amount) / (one + one_part / amount)) + 1)
  while granted > 0 do
    local parts = granted * one_part
    local cost_part = parts % amount
    local cost = granted * one + (parts - cost_part) / amount
    if cost < room or (cost == room and cost_part <= room_part) then
      next_ahead, next_part = ahead + cost, part + cost_part
      if next_part >= amount then next_ahead, next_part = next_ahead + 1, next_part - amount end
      break
    end
    granted = granted - 1
  end
  if granted < least then granted = 0 end
end
if granted > 0 then
  ahead, part = next_ahead, next_part
  local state = string.format('b %.0f %.0f %.0f', now + ahead, part, amount)
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', math.ceil((ahead + 1) / 1000)))
end
return { granted, ahead, part }
