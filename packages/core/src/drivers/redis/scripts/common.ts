/** Ms since the epoch. Time is the server's: clocks of members may differ. */
export const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end`

/** What XINFO answers, a list of names and values, by its names. */
export const NAMED = `
local function named(list)
  local info = {}
  for i = 1, #list, 2 do info[list[i]] = list[i + 1] end
  return info
end`

/** Ids of entries: two numbers. */
export const IDS = `
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(n)
end
local function earlier(a, b)
  local a1, a2 = parts(a)
  local b1, b2 = parts(b)
  return a1 < b1 or (a1 == b1 and a2 < b2)
end
local function before(id)
  local ms, n = parts(id)
  if n > 0 then return string.format('%.0f-%.0f', ms, n - 1) end
  if ms == 0 then return '0-0' end
  return string.format('%.0f-18446744073709551615', ms - 1)
end`

/**
 * What every script of a member begins with. Whoever is no member holds nothing any more: what it says of its messages may be wrong.
 *
 * KEYS[1] the stream of the topic
 * KEYS[2] the group's own stream: retries that are due, replayed letters
 * KEYS[3] its members, each until when (a sorted set)
 * KEYS[4] what is delayed, by when it is due (a sorted set)
 * KEYS[5] what waits delayed, its fields (a hash)
 * KEYS[6] the state of the group (a hash)
 * KEYS[7] what the topic was declared (a hash)
 * ARGV[1] the group
 * ARGV[2] the member, where one asks
 */
export const MEMBER = `
local STREAM, AGAIN, MEMBERS, DELAYED, WAITING, STATE, DECLARED = unpack(KEYS)
local STREAMS = { STREAM, AGAIN }
local GROUP, ME = ARGV[1], ARGV[2]
local function isMember(name) return redis.call('ZSCORE', MEMBERS, name) ~= false end`

/** Begins the name of every consumer of ours, so that what other clients hold in a group is not taken for what a dead member has left. */
export const OURS = 'corebus:'

/** Handed back: nobody's, so whoever looks next takes it. Other clients give up their messages by moving them here. */
export const NOBODY = '~'

/**
 * The group as Redis tells of it, and which of its consumers are ours. Builds before 0.1.0 named theirs otherwise: those are known while they are members, and noted when they
 * end. Comes after MEMBER.
 */
export const CONSUMERS: string = `${NAMED}
local function groupIn(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, list in ipairs(groups) do
    local group = named(list)
    if group.name == GROUP then return group end
  end
end
local function isOurs(name)
  if name == '${NOBODY}' or string.sub(name, 1, ${OURS.length}) == '${OURS}' or isMember(name) then return true end
  return redis.call('HGET', STATE, 'ended:' .. name) ~= false
end
-- Ends a membership. What it leaves is taken over all the same.
local function ended(name)
  redis.call('ZREM', MEMBERS, name)
  redis.call('HDEL', STATE, 'client:' .. name)
  if not isOurs(name) then redis.call('HSET', STATE, 'ended:' .. name, '1') end
end
-- Another client in a group that none of us has looked after, or that was joined as one more of theirs: it is theirs.
local function stranger()
  if redis.call('HGET', STATE, 'floor') and not redis.call('HGET', STATE, 'shared') then return nil end
  local list = redis.pcall('XINFO', 'CONSUMERS', STREAM, GROUP)
  if list.err then
    if string.find(list.err, 'NOGROUP', 1, true) or string.find(list.err, 'no such key', 1, true) then return nil end
    redis.call('XINFO', 'CONSUMERS', STREAM, GROUP)
  end
  for _, one in ipairs(list) do
    local consumer = named(one)
    if not isOurs(consumer.name) then return { 'foreign', consumer.name, consumer.pending } end
  end
end`

/** The field of what a topic was declared that says who has made its stream. */
export const MADE = 'made'

/**
 * Makes an empty stream where there is none, and notes that it was one of us: in what the topic was declared, and in the stream itself, whose
 * first entry was deleted. One that another client makes later under this name has no such beginning. A topic whose stream was another
 * client's when we met it stays theirs.
 */
export const MAKING: string = `
local function make(stream, declared)
  local made = redis.call('HGET', declared, '${MADE}')
  if redis.call('EXISTS', stream) == 1 then
    if not made then redis.call('HSET', declared, '${MADE}', 'theirs') end
    return
  end
  redis.call('XADD', stream, '0-1', '${MADE}', '1')
  redis.call('XDEL', stream, '0-1')
  if made ~= 'theirs' then redis.call('HSET', declared, '${MADE}', 'ours') end
end`

/**
 * What is asked before anything is made: whether a key is a stream, and whether the user has a right. Redis undoes nothing of a script that fails
 * half way, so what would be refused later is refused first.
 */
export const LOOKING: string = `
-- 'there', 'missing', or 'no stream'.
local function look(stream)
  local length = redis.pcall('XLEN', stream)
  if type(length) == 'table' then
    if string.find(length.err, 'WRONGTYPE', 1, true) then return 'no stream' end
    redis.call('XLEN', stream)
  end
  return redis.call('EXISTS', stream) == 1 and 'there' or 'missing'
end
local function need(...)
  if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
    error({ err = 'NOPERM this user may not: ' .. table.concat({ ... }, ' ') })
  end
end
local function needToMake(stream, declared)
  need('XADD', stream, '0-1', '${MADE}', '1')
  need('XDEL', stream, '0-1')
  need('HSET', declared, '${MADE}', 'ours')
end`

/** Lua hands at most 8,000 values to one command. An entry with more is written by a command of the client, or packed into one field. */
export const MOST_VALUES = 7_000

/** The one field of an entry of a group's own stream that has more fields than a script can write: each value with its length before it. */
export const PACKED = 'corebus-packed'

export const PACKING: string = `
local function packed(values)
  local parts = {}
  for i = 1, #values do parts[i] = struct.pack('>I4', #values[i]) .. values[i] end
  return table.concat(parts)
end
local function unpacked(fields)
  if #fields ~= 2 or fields[1] ~= '${PACKED}' then return fields end
  local values, at, blob = {}, 1, fields[2]
  while at <= #blob do
    if at + 3 > #blob then return fields end
    local last = at + 3 + struct.unpack('>I4', blob, at)
    if last > #blob then return fields end
    values[#values + 1] = string.sub(blob, at + 4, last)
    at = last + 1
  end
  return values
end
-- On a group's own stream, whatever it has.
local function addAgain(stream, values)
  if #values > ${MOST_VALUES} then redis.call('XADD', stream, '*', '${PACKED}', packed(values))
  else redis.call('XADD', stream, '*', unpack(values)) end
end`

/** The same fields again, \`over\` laid over them, and without what made it a dead letter. */
export const COPY = `
local function copied(fields, id, over, first, last)
  local laid, copy, known = {}, {}, false
  for i = first, last, 2 do laid[over[i]] = true end
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'corebus-id' then known = true end
    if not laid[name] and string.sub(name, 1, 13) ~= 'corebus-dead-' then
      copy[#copy + 1] = name
      copy[#copy + 1] = fields[i + 1]
    end
  end
  if not known then
    copy[#copy + 1] = 'corebus-id'
    copy[#copy + 1] = id
  end
  for i = first, last do copy[#copy + 1] = over[i] end
  return copy
end`
