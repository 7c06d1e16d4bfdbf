import { type Script, script } from '../script.ts'
import { COPY, IDS, LOOKING, MADE, MAKING, NAMED, NOW, PACKING } from './common.ts'

/**
 * Whether the stream of a topic is there, or may be made. Changes nothing.
 *
 * KEYS[1] the stream
 * KEYS[2] what its topic was declared (a hash)
 * ARGV[1] 1 when it is to be made
 *
 * @returns 'there', 'missing', or 'no stream': the key holds something else.
 */
export const lookAtStream: Script = script(
  LOOKING,
  `
local found = look(KEYS[1])
if ARGV[1] == '1' then
  if found == 'missing' then needToMake(KEYS[1], KEYS[2])
  elseif found == 'there' and not redis.call('HGET', KEYS[2], '${MADE}') then need('HSET', KEYS[2], '${MADE}', 'theirs') end
end
return found`,
)

/**
 * Whether there is a stream of others that dead letters can go to. Changes nothing, and fails for a user who may not write to it.
 *
 * KEYS[1] the stream
 *
 * @returns 'there', 'missing', or 'no stream'.
 */
export const lookAtLetters: Script = script(
  LOOKING,
  `
local found = look(KEYS[1])
if found == 'there' then need('XADD', KEYS[1], 'NOMKSTREAM', '*', 'corebus-id', '1') end
return found`,
)

/**
 * Fails for a user who may not note a topic. Changes nothing.
 *
 * KEYS[1] every topic there is (a set)
 */
export const mayNote: Script = script(LOOKING, `need('SADD', KEYS[1], 'a topic')`)

/**
 * Makes the stream of a topic where there is none.
 *
 * KEYS[1] the stream
 * KEYS[2] what its topic was declared (a hash)
 *
 * @returns 'there', or 'no stream' as above, where nothing is made.
 */
export const makeStream: Script = script(
  LOOKING,
  MAKING,
  `
local found = look(KEYS[1])
if found == 'no stream' then return found end
if found == 'missing' then needToMake(KEYS[1], KEYS[2]) end
make(KEYS[1], KEYS[2])
return 'there'`,
)

/**
 * Publishes what may have been published, once, and makes the stream where there is none and it may.
 *
 * KEYS[1] the stream
 * KEYS[2] what its topic was declared (a hash)
 * ARGV[1] 1 when the stream may be made
 * ARGV[2] where to begin to look: an id, with `(` for what comes after it
 * ARGV[3] how many messages
 * ARGV[4], ... of each its id, how many arguments follow, and these: its fields, or none for a message with too many, which is only looked for
 *
 * @returns the entry of the last one, '' when it is not there; 'missing' where there is no stream and none may be made.
 */
export const publishOnce: Script = script(
  MAKING,
  `
if ARGV[1] == '1' then make(KEYS[1], KEYS[2])
elseif redis.call('EXISTS', KEYS[1]) == 0 then return 'missing' end
local from, count = ARGV[2], tonumber(ARGV[3])
local messages, there = {}, {}
local i = 4
for n = 1, count do
  local fields = tonumber(ARGV[i + 1])
  messages[n] = { ARGV[i], i + 2, i + 1 + fields }
  there[ARGV[i]] = {}
  i = i + 2 + fields
end
repeat
  local page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 200)
  for _, entry in ipairs(page) do
    local fields = entry[2]
    for f = 1, #fields, 2 do
      local found = fields[f] == 'corebus-id' and there[fields[f + 1]]
      if found then found[#found + 1] = entry[1] end
    end
  end
  if #page > 0 then from = '(' .. page[#page][1] end
until #page < 200
local last = ''
for n = 1, count do
  local id, first, final = unpack(messages[n])
  -- Each entry is one message: two may have one id.
  last = table.remove(there[id], 1) or (final < first and '') or redis.call('XADD', KEYS[1], '*', unpack(ARGV, first, final))
end
return last`,
)

/**
 * Deletes what every group has settled and is old enough, from a stream that one of us has made, and notes where each group is.
 *
 * KEYS[1] the stream
 * KEYS[2] what its topic was declared (a hash)
 * ARGV[1] the key of a group's state, before its name; '' where a publisher looks, who has nothing to write there
 * ARGV[2] the same, behind its name
 * ARGV[3] how long what is settled is kept, ms
 * ARGV[4] how long what no group reads is kept, ms
 *
 * @returns how many groups there are, and messages, and whether the stream is ours (1 or 0).
 */
export const retain: Script = script(
  NOW,
  IDS,
  NAMED,
  `
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then return { 0, 0, 0 } end
local made = redis.call('HGET', KEYS[2], '${MADE}')
-- Another client may have made it anew under this name: then nothing was ever deleted from it as we do when we make one.
local begun = named(redis.call('XINFO', 'STREAM', KEYS[1]))['max-deleted-entry-id'] ~= '0-0'
local ours = (made == 'adopted' or made == 'ours' and begun) and 1 or 0
local floor
for _, list in ipairs(groups) do
  local group = named(list)
  local pending = redis.call('XPENDING', KEYS[1], group.name)
  local settled = pending[1] > 0 and before(pending[2]) or group['last-delivered-id']
  local state = ARGV[1] .. group.name .. ARGV[2]
  if ARGV[1] ~= '' and redis.call('EXISTS', state) == 1 then redis.call('HSET', state, 'floor', settled) end
  if not floor or earlier(settled, floor) then floor = settled end
end
local least = string.format('%.0f-0', now() - tonumber(floor and ARGV[3] or ARGV[4]))
if floor and earlier(floor, least) then least = floor end
if ours == 1 then redis.call('XTRIM', KEYS[1], 'MINID', '~', least) end
return { #groups, redis.call('XLEN', KEYS[1]), ours }`,
)

/**
 * Moves a dead letter to its group's own stream.
 *
 * KEYS[1] the stream of its place
 * KEYS[2] the group's own stream
 * ARGV[1] its id
 * ARGV[2], ... names and values that are laid over its fields
 *
 * @returns 1 when it was there, else 0.
 */
export const replay: Script = script(
  COPY,
  PACKING,
  `
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
addAgain(KEYS[2], copied(entry[2], 'redis:' .. KEYS[1] .. '/' .. entry[1], ARGV, 2, #ARGV))
redis.call('XDEL', KEYS[1], ARGV[1])
return 1`,
)
