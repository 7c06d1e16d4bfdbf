import { type Script, script } from '../script.ts'
import { COPY, MEMBER, MOST_VALUES, NOW, PACKING } from './common.ts'

/**
 * Settles what needs no copy. KEYS and ARGV[1] to [2] are those of MEMBER.
 *
 * ARGV[3] how many ids of the stream follow
 * ARGV[4] 1 when other clients are in the group, who may have taken over what we were given: that is theirs to settle
 * ARGV[5], ... these, and after them those of the group's own stream
 *
 * @returns 'lost' or 'ours'.
 */
export const acknowledge: Script = script(
  MEMBER,
  `
if not isMember(ME) then return 'lost' end
local ofStream, shared = tonumber(ARGV[3]), ARGV[4] == '1'
local ids = {}
for i = 5, 4 + ofStream do
  if not shared or #redis.call('XPENDING', STREAM, GROUP, ARGV[i], ARGV[i], 1, ME) > 0 then ids[#ids + 1] = ARGV[i] end
end
-- Only so many arguments go through at once.
for i = 1, #ids, 1000 do redis.call('XACK', STREAM, GROUP, unpack(ids, i, math.min(i + 999, #ids))) end
for i = 5 + ofStream, #ARGV, 1000 do
  local last = math.min(i + 999, #ARGV)
  redis.call('XACK', AGAIN, GROUP, unpack(ARGV, i, last))
  redis.call('XDEL', AGAIN, unpack(ARGV, i, last))
end
return 'ours'`,
)

/**
 * The original is looked up and taken out of the group in the step that has stored its copy: asked for twice it is stored once. The copy comes
 * first: Redis undoes nothing of a script that fails, and what was acknowledged before would be gone. KEYS and ARGV[1] to [2] are those of MEMBER.
 *
 * ARGV[3] where the original lies: 1 (the stream) or 2 (the group's own)
 * ARGV[4] its id there
 * ARGV[5] the id of a message that has none
 * ARGV[6] a number of ms
 * ARGV[7] how many arguments are laid over it
 * ARGV[8], ... these, names and values, and after them the fields of the original where the answer was 'missing': it is not in the stream any more
 */
const COPY_OF = `
if not isMember(ME) then return 'lost' end
local which, id, ms, over = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local stream = STREAMS[which]
local entry = redis.call('XRANGE', stream, id, id)[1]
if not entry and #ARGV == 7 + over then return 'missing' end
if #redis.call('XPENDING', stream, GROUP, id, id, 1, ME) == 0 then return 'ours' end
local fields = entry and (which == 2 and unpacked(entry[2]) or entry[2])
if not fields then
  fields = {}
  for i = 8 + over, #ARGV do fields[#fields + 1] = ARGV[i] end
end
local copy = copied(fields, ARGV[5], ARGV, 8, 7 + over)`

const TAKEN = `
redis.call('XACK', stream, GROUP, id)
if which == 2 then redis.call('XDEL', stream, id) end
return 'ours'`

/**
 * Takes a message out and lets its copy come again. KEYS and ARGV are those of MEMBER and COPY_OF; ARGV[6] is the delay, without one the copy comes at once.
 *
 * @returns 'lost', 'missing' or 'ours'.
 */
export const retry: Script = script(
  NOW,
  MEMBER,
  COPY,
  PACKING,
  COPY_OF,
  `
if ms <= 0 then addAgain(AGAIN, copy)
else
  local token = which .. ':' .. id
  redis.call('HSET', WAITING, token, cmsgpack.pack(copy))
  redis.call('ZADD', DELAYED, string.format('%.0f', now() + ms), token)
end`,
  TAKEN,
)

/**
 * The copy of a message as a letter for a stream of others, which may be on another node. Changes nothing: who asked stores it, and acknowledges. KEYS
 * and ARGV are those of MEMBER and COPY_OF.
 *
 * @returns 'lost', 'missing' or 'ours' where there is nothing to store, or the fields of the letter.
 */
export const letter: Script = script(MEMBER, COPY, PACKING, COPY_OF, 'return copy')

/**
 * Takes a message out and stores its copy as a dead letter. KEYS and ARGV are those of MEMBER and COPY_OF.
 *
 * KEYS[8] the stream of the place
 * ARGV[6] how long it is kept there; 0 is for ever
 *
 * @returns 'lost', 'missing' or 'ours', or the fields of a letter that has too many for a script: nothing is done, and who asked stores it and acknowledges.
 */
export const bury: Script = script(
  NOW,
  MEMBER,
  COPY,
  PACKING,
  COPY_OF,
  `
local time = now()
local function also(name, value)
  copy[#copy + 1] = name
  copy[#copy + 1] = value
end
also('corebus-dead-group', GROUP)
also('corebus-dead-at', string.format('%.0f', time))
if ms > 0 then also('corebus-dead-until', string.format('%.0f', time + ms)) end
if #copy > ${MOST_VALUES} then return copy end
redis.call('XADD', KEYS[8], '*', unpack(copy))`,
  TAKEN,
)
