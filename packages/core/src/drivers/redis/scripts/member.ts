import { type Script, script } from '../script.ts'
import { CONSUMERS, IDS, LOOKING, MADE, MAKING, MEMBER, NOBODY, NOW, PACKING } from './common.ts'

/**
 * Whether the group can be joined. Changes nothing, and fails for a user who may not join. KEYS and ARGV[1] are those of MEMBER.
 *
 * ARGV[3] 1 when other clients may be in the group
 * ARGV[4] 1 when it is written down what it is
 *
 * @returns 'no stream', 'missing' (there is none), 'foreign', and the name of the other client's consumer and how much it holds; or 'free'.
 */
export const lookForOthers: Script = script(
  LOOKING,
  MEMBER,
  CONSUMERS,
  `
local found = look(STREAM)
if found == 'no stream' then return { found } end
local foreign = ARGV[3] ~= '1' and found == 'there' and stranger()
if foreign then return foreign end
for _, stream in ipairs(STREAMS) do
  need('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  need('XREADGROUP', 'GROUP', GROUP, 'corebus:', 'STREAMS', stream, '>')
  need('XACK', stream, GROUP, '0-1')
end
need('ZADD', MEMBERS, '0', 'corebus:')
need('HSET', STATE, 'floor', '0-0')
if ARGV[4] == '1' then need('HSETNX', DECLARED, '${MADE}', '') end
return { found == 'there' and 'free' or found }`,
)

/**
 * Makes what is missing and becomes a member. A group that was there before begins where it was last seen. KEYS and ARGV[1] to [2] are those of
 * MEMBER.
 *
 * ARGV[3] how long the member may be silent, ms
 * ARGV[4] where a new group begins: an id, or $
 * ARGV[5] 1 when the member wants to be alone
 * ARGV[6] 1 when other clients may be in the group
 * ARGV[7] 1 when the stream may be made: it is the topic's, and not of others
 *
 * @returns 'no stream', 'missing' and 'foreign' as above, 'taken', or 'joined' and what was made: 'first', 'again', or ''.
 */
export const join: Script = script(
  NOW,
  IDS,
  MEMBER,
  CONSUMERS,
  LOOKING,
  MAKING,
  `
local lease, from, alone, shared, mayMake = tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1', ARGV[6] == '1', ARGV[7] == '1'
local time = now()
local found = look(STREAM)
if found == 'no stream' or (found == 'missing' and not mayMake) then return { found } end
local foreign = stranger()
if foreign and not shared then return foreign end
if alone then
  if redis.call('ZCOUNT', MEMBERS, '(' .. string.format('%.0f', time), '+inf') > 0 then return { 'taken', '' } end
  -- What those left that are not heard any more is the first that is read.
  for _, name in ipairs(redis.call('ZRANGE', MEMBERS, 0, -1)) do ended(name) end
end
local floor = redis.call('HGET', STATE, 'floor')
local stream = redis.pcall('XINFO', 'STREAM', STREAM)
local last = stream.err and '0-0' or named(stream)['last-generated-id']
if floor then from = earlier(last, floor) and '0' or floor end
local made = ''
if mayMake then make(STREAM, DECLARED) end
local answer = redis.pcall('XGROUP', 'CREATE', STREAM, GROUP, from)
if answer.err then
  if not string.find(answer.err, 'BUSYGROUP', 1, true) then return answer end
else
  made = floor and 'again' or 'first'
end
-- From now on it is ours, or ours too.
if foreign then redis.call('HSET', STATE, 'shared', '1') end
if not floor then redis.call('HSET', STATE, 'floor', made == 'first' and from == '$' and last or '0-0') end
if made ~= '' then redis.call('HSET', STATE, 'skipped', '0') end
answer = redis.pcall('XGROUP', 'CREATE', AGAIN, GROUP, '0', 'MKSTREAM')
if answer.err and not string.find(answer.err, 'BUSYGROUP', 1, true) then return answer end
redis.call('ZADD', MEMBERS, string.format('%.0f', time + lease), ME)
return { 'joined', made }`,
)

/** Of all retries that one beat moves: some tenths of a second. */
const VALUES_AT_ONCE = 200_000

/**
 * Says that a member lives, ends the membership of those that have been silent, and moves retries that are due. KEYS and ARGV[1] to [2] are those
 * of MEMBER.
 *
 * ARGV[3] how long a member may be silent, ms
 * ARGV[4] how long all have to come back after a time in which nobody looked (the broker was away), ms
 * ARGV[5] how many retries to move
 * ARGV[6] the connection of this member
 * ARGV[7] after how long it is asked whether a silent member still has its connection, ms
 * ARGV[8] after how long a retry that could not be moved is tried again, ms
 *
 * @returns 'lost', or 'ours', how much is nobody's, how much is ours, in how many ms the next retry is due (-1: there is none), of each that is
 * silent its name, until when it is a member, and its connection, of each consumer of another client its name and how much it holds, how many
 * retries were deleted while they waited, why one could not be moved ('': all were), and how many messages were deleted from the stream before
 * the group was given them.
 */
export const tick: Script = script(
  NOW,
  IDS,
  MEMBER,
  CONSUMERS,
  PACKING,
  `
if not isMember(ME) then return { 'lost' } end
local lease, grace, most, silent = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])
local time = now()
local function text(number) return string.format('%.0f', number) end
local back = tonumber(redis.call('HGET', STATE, 'back') or 0)
local seen = redis.call('HGET', STATE, 'seen')
if seen and time - seen > grace then
  back = time
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', text(time + grace))) do
    redis.call('ZADD', MEMBERS, text(time + grace), name)
  end
end
redis.call('HSET', STATE, 'seen', text(time), 'back', text(back), 'client:' .. ME, ARGV[6])
redis.call('ZADD', MEMBERS, text(time + lease), ME)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', text(time))) do
  ended(name)
end
local silents = {}
if time - back > lease then
  local list = redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', text(time + lease - silent), 'WITHSCORES')
  for i = 1, #list, 2 do
    local client = redis.call('HGET', STATE, 'client:' .. list[i])
    if client then
      for _, value in ipairs({ list[i], list[i + 1], client }) do silents[#silents + 1] = value end
    end
  end
end
local nobodys, mine, strangers = 0, 0, {}
for which, stream in ipairs(STREAMS) do
  for _, list in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
    local consumer = named(list)
    if consumer.name == ME then mine = mine + consumer.pending
    elseif which == 1 and not isOurs(consumer.name) then
      strangers[#strangers + 1] = consumer.name
      strangers[#strangers + 1] = consumer.pending
    elseif not isMember(consumer.name) then
      -- Deleted with something pending, that would be gone with it.
      if consumer.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, consumer.name) end
      if consumer.pending == 0 and which == 1 then redis.call('HDEL', STATE, 'ended:' .. consumer.name) end
      nobodys = nobodys + consumer.pending
    end
  end
end
-- What was deleted before the group was given it Redis counts as still to come: more than there is, or something where nothing is left. So many
-- more than were noted; of a group that was there before us and of what Redis cannot count, none.
local function skipped()
  local group = groupIn(STREAM)
  local lag, noted = group and group.lag, tonumber(redis.call('HGET', STATE, 'skipped'))
  if not lag or lag == noted then return 0 end
  local lost = math.max(lag - redis.call('XLEN', STREAM), math.min(noted or 0, lag))
  if lag > lost and #redis.call('XRANGE', STREAM, '(' .. group['last-delivered-id'], '+', 'COUNT', 1) == 0 then lost = lag end
  if lost ~= noted then redis.call('HSET', STATE, 'skipped', string.format('%.0f', lost)) end
  return noted and math.max(0, lost - noted) or 0
end
-- How many values were moved; false where somebody has deleted them; a table that says why they could not be moved.
local function move(token)
  local waiting = redis.call('HGET', WAITING, token)
  if not waiting then
    redis.call('ZREM', DELAYED, token)
    return false
  end
  local read, values = pcall(cmsgpack.unpack, waiting)
  if not read then return { err = 'ERR what waits as ' .. token .. ' cannot be read: ' .. tostring(values) } end
  -- Out of the line first: moved and still due it would come again with each beat.
  redis.call('ZREM', DELAYED, token)
  addAgain(AGAIN, values)
  redis.pcall('HDEL', WAITING, token)
  return #values
end
-- What one retry meets keeps no other waiting: it is tried again later, and said. Nobody else is served meanwhile, so it is not too many at once.
local gone, refusal, size = 0, '', 0
for _, token in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', text(time), 'LIMIT', 0, most)) do
  if size > ${VALUES_AT_ONCE} then break end
  local ran, moved = pcall(move, token)
  if not ran then moved = type(moved) == 'table' and moved or { err = tostring(moved) } end
  if type(moved) == 'table' then
    refusal = moved.err
    redis.call('ZADD', DELAYED, text(time + tonumber(ARGV[8])), token)
  elseif moved then size = size + moved
  else gone = gone + 1 end
end
local first = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
return { 'ours', nobodys, mine, first[2] and math.max(0, first[2] - time) or -1, silents, strangers, gone, refusal, skipped() }`,
)

/**
 * Ends the membership of those that have no connection any more. KEYS and ARGV[1] to [2] are those of MEMBER.
 *
 * ARGV[3], ARGV[5], ... the name of each
 * ARGV[4], ARGV[6], ... until when it was a member: it may have said meanwhile that it lives
 *
 * @returns 'ours'.
 */
export const evict: Script = script(
  MEMBER,
  CONSUMERS,
  `
for i = 3, #ARGV, 2 do
  if redis.call('ZSCORE', MEMBERS, ARGV[i]) == ARGV[i + 1] then
    ended(ARGV[i])
  end
end
return 'ours'`,
)

/**
 * Takes messages that are nobody's, oldest first, each counted once more. One that was handed out before comes alone: what kills its process must
 * not count for what waits beside it. KEYS and ARGV[1] to [2] are those of MEMBER.
 *
 * ARGV[3] how many at most
 *
 * @returns 'lost', or 'ours', how many were deleted from the stream before anybody had settled them, a list of 1 or 2 (the stream or the
 * group's own), id, how often it had been handed out before, and fields, and 1 when there are more.
 */
export const claim: Script = script(
  IDS,
  MEMBER,
  CONSUMERS,
  PACKING,
  `
if not isMember(ME) then return { 'lost' } end
local most = tonumber(ARGV[3])
local taken, gone, more, alone = {}, 0, 0, false
for which, stream in ipairs(STREAMS) do
  local found = {}
  for _, list in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
    local consumer = named(list)
    if consumer.pending > 0 and not isMember(consumer.name) and (which == 2 or isOurs(consumer.name)) then
      for _, entry in ipairs(redis.call('XPENDING', stream, GROUP, '-', '+', most + 1, consumer.name)) do found[#found + 1] = entry end
    end
  end
  table.sort(found, function(a, b) return earlier(a[1], b[1]) end)
  for i = 1, #found do
    local id, count = found[i][1], found[i][4]
    if alone or #taken == most or (count > 0 and #taken > 0) then
      more = 1
      break
    end
    local entry = redis.call('XCLAIM', stream, GROUP, ME, 0, id)[1]
    if entry then
      taken[#taken + 1] = { which, id, count, entry[2] }
      alone = count > 0
    else
      redis.call('XACK', stream, GROUP, id)
      gone = gone + 1
    end
  end
end
return { 'ours', gone, taken, more }`,
)

/**
 * Hands back what a member holds, counted as if it had never had it. KEYS and ARGV[1] to [2] are those of MEMBER.
 *
 * ARGV[3] 1 for all of it and the membership too
 * ARGV[4], ARGV[6], ... where each lies that is handed back: 1 (the stream) or 2 (the group's own)
 * ARGV[5], ARGV[7], ... its id
 *
 * @returns 'lost' or 'ours'.
 */
export const handBack: Script = script(
  MEMBER,
  `
if not isMember(ME) then return 'lost' end
local function giveBack(stream, entry)
  redis.call('XCLAIM', stream, GROUP, '${NOBODY}', 0, entry[1], 'RETRYCOUNT', math.max(0, entry[4] - 1), 'JUSTID')
end
for i = 4, #ARGV, 2 do
  local stream = STREAMS[tonumber(ARGV[i])]
  for _, entry in ipairs(redis.call('XPENDING', stream, GROUP, ARGV[i + 1], ARGV[i + 1], 1, ME)) do giveBack(stream, entry) end
end
if ARGV[3] == '1' then
  for _, stream in ipairs(STREAMS) do
    local pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', 1000, ME)
    while not pending.err and #pending > 0 do
      for _, entry in ipairs(pending) do giveBack(stream, entry) end
      pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', 1000, ME)
    end
    if not pending.err then redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, ME) end
  end
  redis.call('ZREM', MEMBERS, ME)
  redis.call('HDEL', STATE, 'client:' .. ME)
end
return 'ours'`,
)
