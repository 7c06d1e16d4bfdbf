import { type Script, script } from '../script.ts'
import { COPY, MEMBER, NOW } from './common.ts'

/** ARGV: how many ids of the stream, these, and those of the group's own. @returns 'lost' or 'ours'. */
export const acknowledge: Script = script(
  MEMBER,
  `
if not isMember(ME) then return 'lost' end
local ofStream = tonumber(ARGV[3])
-- Only so many arguments go through at once.
for i = 4, 3 + ofStream, 1000 do redis.call('XACK', KEYS[1], GROUP, unpack(ARGV, i, math.min(i + 999, 3 + ofStream))) end
for i = 4 + ofStream, #ARGV, 1000 do
  local last = math.min(i + 999, #ARGV)
  redis.call('XACK', KEYS[2], GROUP, unpack(ARGV, i, last))
  redis.call('XDEL', KEYS[2], unpack(ARGV, i, last))
end
return 'ours'`,
)

/**
 * The original is looked up and taken out of the group in the step that stores its copy: asked for twice it is stored once. ARGV: 1 or 2, id, an
 * id for a message that has none, a number of ms, how many fields are laid over it, these, and the original where the answer was
 * 'missing': it is not in the stream any more.
 */
const TAKE = `
if not isMember(ME) then return 'lost' end
local which, id, ms, over = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local stream = STREAMS[which]
local entry = redis.call('XRANGE', stream, id, id)[1]
if not entry and #ARGV == 7 + over then return 'missing' end
if redis.call('XACK', stream, GROUP, id) == 0 then return 'ours' end
local fields = entry and entry[2]
if not fields then
  fields = {}
  for i = 8 + over, #ARGV do fields[#fields + 1] = ARGV[i] end
end
local copy = copied(fields, ARGV[5], ARGV, 8, 7 + over)
if which == 2 then redis.call('XDEL', stream, id) end`

/** `ms` is the delay; without one the copy comes at once. @returns 'lost' or 'ours'. */
export const retry: Script = script(
  NOW,
  MEMBER,
  COPY,
  TAKE,
  `
if ms <= 0 then redis.call('XADD', KEYS[2], '*', unpack(copy))
else
  local token = which .. ':' .. id
  redis.call('HSET', KEYS[5], token, cmsgpack.pack(copy))
  redis.call('ZADD', KEYS[4], string.format('%.0f', now() + ms), token)
end
return 'ours'`,
)

/** KEYS[7] is the place, `ms` how long it is kept there; 0 is for ever. @returns 'lost' or 'ours'. */
export const bury: Script = script(
  NOW,
  MEMBER,
  COPY,
  TAKE,
  `
local time = now()
local function also(name, value)
  copy[#copy + 1] = name
  copy[#copy + 1] = value
end
also('corebus-dead-group', GROUP)
also('corebus-dead-at', string.format('%.0f', time))
if ms > 0 then also('corebus-dead-until', string.format('%.0f', time + ms)) end
redis.call('XADD', KEYS[7], '*', unpack(copy))
return 'ours'`,
)
