/** Time is the server's: clocks of members may differ. */
export const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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
end
local function named(list)
  local info = {}
  for i = 1, #list, 2 do info[list[i]] = list[i + 1] end
  return info
end`

/**
 * Of everything one member does: KEYS are the stream, the group's own, its members, what is delayed and waits, the state, and what the topic
 * was declared; ARGV begins with the group and the member. Whoever is no member holds nothing any more: what it says of its messages may be
 * wrong.
 */
export const MEMBER = `
local STREAMS = { KEYS[1], KEYS[2] }
local GROUP, ME = ARGV[1], ARGV[2]
local function isMember(name) return redis.call('ZSCORE', KEYS[3], name) ~= false end`

/** Begins the name of every consumer of ours, so that what other clients hold in a group is not taken for what a dead member has left. */
export const OURS = 'corebus:'

/** Handed back: nobody's, so whoever looks next takes it. Other clients give up their messages by moving them here. */
export const NOBODY = '~'

/**
 * Which consumers of a group are ours. Builds before 0.1.0 named theirs <host>-<pid>-<8 hex digits>: such a name is ours in a group that one of
 * us has looked after. Needs MEMBER and IDS.
 */
export const CONSUMERS: string = `
local function isOurs(name)
  if name == '${NOBODY}' or string.sub(name, 1, ${OURS.length}) == '${OURS}' or isMember(name) then return true end
  return string.find(name, '%-%d+%-%x%x%x%x%x%x%x%x$') ~= nil and redis.call('HGET', KEYS[6], 'floor') ~= false
end
-- Those of other clients, as Redis tells them.
local function others()
  local found = {}
  local list = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], GROUP)
  if list.err then return found end
  for _, one in ipairs(list) do
    local consumer = named(one)
    if not isOurs(consumer.name) then found[#found + 1] = consumer end
  end
  return found
end`

/** The field of what a topic was declared that says that its stream is ours: only then may it be trimmed. */
export const MADE = 'made'

/** Makes an empty stream where there is none. The key of what its topic was declared remembers that it was one of us. */
export const MAKING: string = `
local function make(stream, declared)
  if redis.call('EXISTS', stream) == 1 then return end
  redis.call('HSET', declared, '${MADE}', '1')
  redis.call('XADD', stream, 'MAXLEN', 0, '0-1', '${MADE}', '1')
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
    local length = struct.unpack('>I4', blob, at)
    values[#values + 1] = string.sub(blob, at + 4, at + 3 + length)
    at = at + 4 + length
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
