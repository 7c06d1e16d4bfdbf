import type { Members } from '../../driver.ts'
import { answersOf } from './answers.ts'
import type { Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { script } from './script.ts'

export interface MembersOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly where: string
  readonly signal: AbortSignal
}

// A hash of notes, each with the time until which it is believed before it. All times are the server's. No command is used that the rest does not
// need: users have their rights by commands.
const LIVE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function isLive(kept)
  local till = string.match(kept, '^(%d+) ')
  return till and tonumber(till) > now
end
local found = redis.call('HGETALL', KEYS[1])
`

/**
 * KEYS[1] the notes of the group (a hash)
 * ARGV[1] the member
 * ARGV[2] its note
 * ARGV[3] how long it is believed, ms
 */
const tell = script(
  LIVE,
  `
for i = 1, #found, 2 do
  if not isLive(found[i + 1]) then redis.call('HDEL', KEYS[1], found[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + tonumber(ARGV[3])) .. ' ' .. ARGV[2])
`,
)

/**
 * KEYS[1] the notes of the group (a hash)
 *
 * @returns of each that is believed its member and its note.
 */
const list = script(
  LIVE,
  `
local live = {}
for i = 1, #found, 2 do
  if isLive(found[i + 1]) then
    live[#live + 1] = found[i]
    live[#live + 1] = string.match(found[i + 1], '^%d+ (.*)$')
  end
end
return live
`,
)

/** What the members of a group say of themselves lies in one hash, which is gone when the last of them has left. */
export function members({ names, nodes, where, signal }: MembersOptions): Members {
  const said = answersOf({ nodes, where, signal })
  return {
    async tell(group, member, note, forMs) {
      await said(() => nodes.run(tell, [names.notes(group)], [member, note, String(forMs)]))
    },
    async list(group) {
      const live = listOf(await said(() => nodes.run(list, [names.notes(group)], [])))
      return Array.from({ length: live.length / 2 }, (_, i) => ({ member: String(live[2 * i]), note: String(live[2 * i + 1]) }))
    },
    async leave(group, member) {
      const key = names.notes(group)
      await said(() => nodes.send(key, ['HDEL', key, member]))
    },
  }
}
