import { elsewhereLine } from '../../../operations/letters-elsewhere.ts'
import type { Row } from '../../../operations/topic-rows.ts'
import { age } from '../../age.ts'
import { count, table } from '../../table.ts'

export function topicsTable(rows: readonly Row[], width?: number): string {
  if (rows.length === 0) return 'no topics yet'
  const figure = (title: string) => ({ title, align: 'right' as const })
  const more = (title: string) => ({ ...figure(title), gives: true as const })
  const columns = [
    { title: 'TOPIC', shrinks: true },
    { title: 'GROUP', shrinks: true },
    ...['READY', 'IN FLIGHT', 'DELAYED', 'DEAD'].map(figure),
    // On a narrow terminal the last of these go first.
    ...['OLDEST', 'MEMBERS', 'MSG/S', 'FAILED', 'BUSY'].map(more),
  ] as const
  const lines = rows.map((row) => {
    const { topic, group, kept, ready = kept, inFlight, delayed, members, oldestMs } = row
    const dead = row.lettersTo && row.dead === 0 ? undefined : row.dead
    const { told = 0, perSecond, failedPercent, busyPercent } = row
    return [
      topic,
      group ?? '(none yet)',
      ...[ready, inFlight, delayed, dead].map(count),
      oldestMs === undefined ? '-' : age(oldestMs),
      count(members),
      told === 0 ? '-' : (perSecond ?? 0).toFixed(1),
      told === 0 ? '-' : percent(failedPercent),
      told === 0 ? '-' : percent(busyPercent),
    ]
  })
  return [table(columns, lines, width), ...together(rows), ...elsewhere(rows)].join('\n')
}

/** What no row counts, since several of them share the places where it waits. */
function together(rows: readonly Row[]): readonly string[] {
  const all = new Map(rows.flatMap(({ delayedTogether = [] }) => delayedTogether.map((one) => [JSON.stringify(one), one] as const)))
  const byWhose = Map.groupBy(all.values(), ({ group }) => (group === undefined ? 'all groups together' : `all topics of ${group}`))
  return [...byWhose].map(([whose, delays]) => {
    const counts = new Map<string, number>()
    for (const { afterMs, waiting } of delays) counts.set(age(afterMs), (counts.get(age(afterMs)) ?? 0) + waiting)
    return `waiting for a retry, ${whose}: ${[...counts].map(([after, waiting]) => `${after} ${count(waiting)}`).join(', ')}`
  })
}

function elsewhere(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(({ topic, group, lettersTo }) => (group !== null && lettersTo ? elsewhereLine(topic, group, lettersTo) : []))
}

function percent(share = 0): string {
  return `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)}%`
}
