import { type Script, script } from '../script.ts'
import { COPY, IDS, NOW } from './common.ts'

/**
 * Publishes what may have been published, once. ARGV: where to begin to look (an id, with `(` for what comes after it), how many messages,
 * and of each its id, how many arguments follow, and these.
 */
export const publishOnce: Script = script(`
local from, count = ARGV[1], tonumber(ARGV[2])
local messages, there = {}, {}
local i = 3
for n = 1, count do
  local fields = tonumber(ARGV[i + 1])
  messages[n] = { ARGV[i], i + 2, i + 1 + fields }
  there[ARGV[i]] = false
  i = i + 2 + fields
end
repeat
  local page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 200)
  for _, entry in ipairs(page) do
    local fields = entry[2]
    for f = 1, #fields, 2 do
      if fields[f] == 'corebus-id' and there[fields[f + 1]] == false then there[fields[f + 1]] = entry[1] end
    end
  end
  if #page > 0 then from = '(' .. page[#page][1] end
until #page < 200
local last = ''
for n = 1, count do
  local id, first, final = unpack(messages[n])
  last = there[id] or redis.call('XADD', KEYS[1], '*', unpack(ARGV, first, final))
end
return last`)

/**
 * Deletes what every group has settled and is old enough, and notes where each group is. ARGV: the keys of a group's state, before and behind
 * its name; how long what is settled is kept, and what no group reads. @returns how many groups there are, and messages.
 */
export const retain: Script = script(
  NOW,
  IDS,
  `
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then return { 0, 0 } end
local floor
for _, list in ipairs(groups) do
  local group = named(list)
  local pending = redis.call('XPENDING', KEYS[1], group.name)
  local settled = pending[1] > 0 and before(pending[2]) or group['last-delivered-id']
  local state = ARGV[1] .. group.name .. ARGV[2]
  if redis.call('EXISTS', state) == 1 then redis.call('HSET', state, 'floor', settled) end
  if not floor or earlier(settled, floor) then floor = settled end
end
local least = string.format('%.0f-0', now() - tonumber(floor and ARGV[3] or ARGV[4]))
if floor and earlier(floor, least) then least = floor end
redis.call('XTRIM', KEYS[1], 'MINID', '~', least)
return { #groups, redis.call('XLEN', KEYS[1]) }`,
)

/** Moves a dead letter, KEYS[1], to its group's own stream, KEYS[2]. ARGV: its id and the fields laid over it. @returns whether it was there. */
export const replay: Script = script(
  COPY,
  `
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(copied(entry[2], 'redis:' .. KEYS[1] .. '/' .. entry[1], ARGV, 2, #ARGV)))
redis.call('XDEL', KEYS[1], ARGV[1])
return 1`,
)
