import { type Script, script } from '../script.ts'
import { CONSUMERS, MEMBER, NOW, PACKING } from './common.ts'

/**
 * What of a group is in flight or waits for its retry. KEYS and ARGV[1] are those of MEMBER.
 *
 * ARGV[2] how many are wanted of each kind
 *
 * @returns of each its id, its key (after 'k', or ''), when it was handed out or '', when it is due or '', and who has it or ''.
 */
export const unsettledOf: Script = script(
  NOW,
  MEMBER,
  CONSUMERS,
  PACKING,
  `
local most, found = tonumber(ARGV[2]), {}
local function told(fields, otherwise)
  local id, key = otherwise, ''
  for i = 1, #fields, 2 do
    if fields[i] == 'corebus-id' then id = fields[i + 1] end
    if fields[i] == 'corebus-key' then key = 'k' .. fields[i + 1] end
  end
  return id, key
end
for which, stream in ipairs(STREAMS) do
  local pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', most)
  if not pending.err then
    for _, one in ipairs(pending) do
      if isMember(one[2]) or not isOurs(one[2]) then
        local entry = redis.call('XRANGE', stream, one[1], one[1])[1]
        local id, key = told(entry and unpacked(entry[2]) or {}, 'redis:' .. STREAM .. '/' .. one[1])
        found[#found + 1] = { id, key, string.format('%.0f', now() - one[3]), '', one[2] }
      end
    end
  end
end
local delayed = redis.call('ZRANGE', DELAYED, 0, most - 1, 'WITHSCORES')
for i = 1, #delayed, 2 do
  local waiting = redis.call('HGET', WAITING, delayed[i])
  local read, fields = pcall(cmsgpack.unpack, waiting or '')
  local id, key = told(read and type(fields) == 'table' and fields or {}, delayed[i])
  found[#found + 1] = { id, key, '', delayed[i + 1], '' }
end
return found`,
)
