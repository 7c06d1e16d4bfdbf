import { type Script, script } from '../script.ts'
import { CONSUMERS, MEMBER, NOW } from './common.ts'

/**
 * Forgets a group, all of it or nothing. KEYS are those of a member, ARGV the group. @returns 'members' and how many there are, of ours and of other
 * clients; or 'removed' and whether it was there (1 or 0).
 */
export const removeGroup: Script = script(
  NOW,
  MEMBER,
  CONSUMERS,
  `
local there = redis.call('EXISTS', KEYS[2], KEYS[4], KEYS[5])
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
local known = false
if not groups.err then
  for _, list in ipairs(groups) do if named(list).name == GROUP then known = true end end
end
local count = redis.call('ZCOUNT', KEYS[3], '(' .. string.format('%.0f', now()), '+inf')
if known then
  for _, list in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], GROUP)) do
    if not isOurs(named(list).name) then count = count + 1 end
  end
end
if count > 0 then return { 'members', count } end
if known then redis.call('XGROUP', 'DESTROY', KEYS[1], GROUP) end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return { 'removed', (known or there > 0) and 1 or 0 }`,
)
