import { monotonic } from '../../clock.ts'
import type { Clock, Members } from '../../driver.ts'
import type { Connection } from './connection.ts'

export interface MembersOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly prefix: string
  readonly timeoutMs: number
}

/** A row for each, until when it is believed. All members are on one machine, and have one clock. */
export function members({ connection, clock, prefix, timeoutMs }: MembersOptions): Members {
  const until = () => monotonic(clock) + timeoutMs
  return {
    async tell(group, member, note, forMs) {
      const now = clock.now()
      await connection.write(
        () => {
          connection.run('DELETE FROM notes WHERE grp = ? AND until <= ?', prefix + group, now)
          connection.run('INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)', prefix + group, member, note, now + forMs)
        },
        { until: until() },
      )
    },
    async list(group) {
      const select = 'SELECT member, note FROM notes WHERE grp = ? AND until > ?'
      const rows = await connection.read(() => connection.rows(select, prefix + group, clock.now()), until())
      return rows.map(([member, note]) => ({ member: String(member), note: String(note) }))
    },
    async leave(group, member) {
      await connection.write(() => connection.run('DELETE FROM notes WHERE grp = ? AND member = ?', prefix + group, member), {
        until: until(),
      })
    },
  }
}
