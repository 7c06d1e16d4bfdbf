import { type Script, script } from '../script.ts'
import { CONSUMERS, IDS, MEMBER, NOW } from './common.ts'

/** Counted one by one only where Redis cannot say, and not for ever. */
const MOST_COUNTED = 100_000

/**
 * How a group stands on a topic. KEYS and ARGV[1] are those of MEMBER.
 *
 * @returns how many wait to be handed out (of a group that is not there: all that it would find), how many are with members or other clients, are
 * delayed, how many members there are, and the age of the oldest that is not settled (-1: there is none).
 */
export const depthOf: Script = script(
  NOW,
  IDS,
  MEMBER,
  CONSUMERS,
  `
local ready, out, oldest = 0, 0, nil
local function note(id)
  if id and (not oldest or earlier(id, oldest)) then oldest = id end
end
local function first(stream, from)
  local entry = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
  return entry and entry[1]
end
local function counted(stream, from)
  local count = 0
  while count < ${MOST_COUNTED} do
    local page = redis.call('XRANGE', stream, from, '+', 'COUNT', 500)
    count = count + #page
    if #page < 500 then return count end
    from = '(' .. page[#page][1]
  end
  return count
end
for which = 1, 2 do
  local stream = STREAMS[which]
  local group = groupIn(stream)
  if not group then
    ready = ready + redis.call('XLEN', stream)
    note(first(stream, '-'))
  else
    local last = '(' .. group['last-delivered-id']
    local following = first(stream, last)
    -- The group deletes from its own stream what it has settled.
    if which == 2 then ready = ready + redis.call('XLEN', stream) - group.pending
    elseif following and group.lag then
      -- What was deleted before it was handed out is in the lag too.
      local there = group.lag - (redis.call('HGET', STATE, 'skipped') or 0)
      ready = ready + math.max(1, math.min(there, redis.call('XLEN', stream)))
    elseif following then ready = ready + counted(stream, last) end
    note(following)
    local pending = redis.call('XPENDING', stream, GROUP)
    note(pending[2])
    for _, consumer in ipairs(pending[4] or {}) do
      if isMember(consumer[1]) or not isOurs(consumer[1]) then out = out + tonumber(consumer[2])
      else ready = ready + tonumber(consumer[2]) end
    end
  end
end
-- What waits for its retry is known by where its original lies; the first of them say enough.
for _, token in ipairs(redis.call('ZRANGE', DELAYED, 0, 999)) do
  local id = string.match(token, '^%d:(%d+%-%d+)$')
  note(id)
end
local age = oldest and math.max(0, now() - parts(oldest)) or -1
-- Of those that were killed while nobody else was there nobody has ended the membership.
local living = redis.call('ZCOUNT', MEMBERS, '(' .. string.format('%.0f', now()), '+inf')
return { ready, out, redis.call('ZCARD', DELAYED), living, age }`,
)
