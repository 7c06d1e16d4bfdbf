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
 * Of everything one member does: KEYS are the stream, the group's own, its members, what is delayed and waits, and the state; ARGV begins with
 * the group and the member. Whoever is no member holds nothing any more: what it says of its messages may be wrong.
 */
export const MEMBER = `
local STREAMS = { KEYS[1], KEYS[2] }
local GROUP, ME = ARGV[1], ARGV[2]
local function isMember(name) return redis.call('ZSCORE', KEYS[3], name) ~= false end`

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
