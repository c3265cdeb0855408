-- Fixed window. KEYS[1]: one count. ARGV: amount, want, least, then the length of a window, or four instants between
-- which the three windows of the calendar lie that may be meant. Microseconds. Redis chooses by its own time.
-- Answers granted, what is left, and until the window ends.
local amount, want, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local from, to
if #ARGV == 4 then
  local length = tonumber(ARGV[4])
  from = now - now % length
  to = from + length
else
  for i = 4, 6 do
    if now >= tonumber(ARGV[i]) and now < tonumber(ARGV[i + 1]) then
      from, to = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    end
  end
  if not from then return redis.error_reply('CLOCKS differ by more than a window') end
end
local count = 0
local held = redis.call('GET', KEYS[1])
if held then
  local held_from, held_to, held_count = string.match(held, '^f (%d+) (%d+) (%d+)$')
  -- A later window than now's: the clock went back (another server). It goes on, so that nothing is had twice.
  if held_from and tonumber(held_from) >= from and tonumber(held_to) > now then
    from, to, count = tonumber(held_from), tonumber(held_to), tonumber(held_count)
  end
end
local room = math.max(amount - count, 0)
local granted = math.min(want, room)
if granted < least then granted = 0 end
if granted > 0 then
  local state = string.format('f %.0f %.0f %.0f', from, to, count + granted)
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', math.ceil((to - now) / 1000)))
end
return { granted, room - granted, to - now }
