import { type Clock, monotonic } from '../../clock.ts'
import type { Members } from '../../driver.ts'
import type { Broker, MemberNotes } from './broker.ts'

/** The members of this process, of every driver of the broker's name. */
export function members(broker: Broker, prefix: string, clock: Clock): Members {
  const notesOf = (group: string): MemberNotes => {
    const name = prefix + group
    const known = broker.notes.get(name) ?? new Map()
    broker.notes.set(name, known)
    return known
  }
  return {
    async tell(group, member, note, forMs) {
      const until = monotonic(clock) + forMs
      notesOf(group).set(member, { note, isOver: () => monotonic(clock) >= until })
    },
    async list(group) {
      const notes = notesOf(group)
      for (const [member, { isOver }] of notes) if (isOver()) notes.delete(member)
      return [...notes].map(([member, { note }]) => ({ member, note }))
    },
    async leave(group, member) {
      notesOf(group).delete(member)
    },
  }
}
