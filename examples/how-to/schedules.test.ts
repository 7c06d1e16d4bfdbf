import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { configured, leasesOver, register, registerEvent } from './schedules.ts'

test('schedules of the default instance run once for what was missed: a function, and an event through the outbox', async () => {
  const database = new DatabaseSync(':memory:')
  const reports: { day: Date; fence: number }[] = []
  register({ write: async (_, { day, fence }) => void reports.push({ day, fence }) })
  registerEvent()
  const written: unknown[] = []
  const messaging = await configured(database, {
    async write(_, messages) {
      written.push(...messages.map(({ message }) => JSON.parse(new TextDecoder().decode(message.body)).data))
    },
  })
  onTestFinished(async () => {
    await messaging.close()
    database.close()
  })
  // As an earlier process has left it, some months ago.
  const insert = database.prepare('INSERT INTO schedules (name, owner, fence, expires, cron, zone, due) VALUES (?, ?, 0, 0, ?, ?, ?)')
  insert.run('nightly-report', '', '0 3 * * *', 'Europe/Berlin', Date.UTC(2026, 7, 1, 1))
  insert.run('month-end', '', '0 0 1 * *', 'UTC', Date.UTC(2026, 7, 1))
  await messaging.start()
  await vi.waitFor(() => expect([reports.length, written.length]).toEqual([1, 1]), { timeout: 20_000 })
  expect(reports).toEqual([{ day: new Date(Date.UTC(2026, 7, 1, 1)), fence: 1 }])
  expect(written).toEqual([{ year: 2026, month: 7 }])
})

test('a lease is had, given back, and had again with a greater fence', async () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  const fences: number[] = []
  await leasesOver(database, async ({ fence }) => void fences.push(fence))
  expect(fences).toEqual([1, 2])
})
