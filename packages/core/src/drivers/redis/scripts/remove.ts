import { type Script, script } from '../script.ts'
import { CONSUMERS, MEMBER, NOW } from './common.ts'

/**
 * Forgets a group, all of it or nothing. One that was joined as one more of other clients' stays, with all that they have. KEYS and ARGV[1] are
 * those of MEMBER.
 *
 * @returns 'members' and how many there are, of ours and of other clients; or 'removed' and whether it was there (1 or 0).
 */
export const removeGroup: Script = script(
  NOW,
  MEMBER,
  CONSUMERS,
  `
local there = redis.call('EXISTS', AGAIN, DELAYED, WAITING)
local groups = redis.pcall('XINFO', 'GROUPS', STREAM)
local known = false
if not groups.err then
  for _, list in ipairs(groups) do if named(list).name == GROUP then known = true end end
end
local count = redis.call('ZCOUNT', MEMBERS, '(' .. string.format('%.0f', now()), '+inf')
local shared = redis.call('HGET', STATE, 'shared')
if known and not shared then
  for _, list in ipairs(redis.call('XINFO', 'CONSUMERS', STREAM, GROUP)) do
    if not isOurs(named(list).name) then count = count + 1 end
  end
end
if count > 0 then return { 'members', count } end
if known and not shared then redis.call('XGROUP', 'DESTROY', STREAM, GROUP) end
if known and shared then
  for _, list in ipairs(redis.call('XINFO', 'CONSUMERS', STREAM, GROUP)) do
    local consumer = named(list)
    -- Deleted with something pending, that would be gone with it.
    if isOurs(consumer.name) and consumer.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', STREAM, GROUP, consumer.name) end
  end
end
redis.call('DEL', AGAIN, MEMBERS, DELAYED, WAITING, STATE)
return { 'removed', (known or there > 0) and 1 or 0 }`,
)
