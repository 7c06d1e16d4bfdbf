import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readLogLine } from './log-line.ts'
import { timeline } from './timeline.ts'

describe('the timeline', () => {
  const told = (options: { colours: boolean }) => {
    const written: string[] = []
    let at = 1_000
    const lines = timeline({ ...options, write: (text) => written.push(text), now: () => at })
    at += 2_345
    return { ...lines, written }
  }
  const said = (fields: object) => {
    const text = JSON.stringify({ level: 20, time: '2026-11-22T08:00:00.000Z', service: 'orders-api', ...fields })
    return { from: 'orders-api consumer', text, log: readLogLine(text) }
  }

  it('prints the service first, on one line of at most 120 columns', () => {
    const { tell, written } = told({ colours: false })
    tell('orders-api', 'answered', `POST /orders 201\n${'x'.repeat(200)}`)
    expect(written).toHaveLength(1)
    expect(written[0]).toMatch(/^orders-api {3}2\.35 s {2}answered {5}POST \/orders 201 x+…\n$/)
    expect(written[0]).toHaveLength(121)
  })

  it('is as wide with colours as without', () => {
    const { tell, written } = told({ colours: true })
    tell('orders-api', 'step', 'x'.repeat(200))
    expect(written[0]).not.toBe(stripVTControlCharacters(written[0] ?? ''))
    expect(stripVTControlCharacters(written[0] ?? '')).toHaveLength(121)
  })

  it('tells what happened to a message, and leaves out what else a service logs', () => {
    const { line, written } = told({ colours: false })
    line(said({ msg: 'published user.created to user-events', event: 'user.created', topic: 'user-events', key: '1', id: 'x' }))
    line(said({ msg: 'retry 1/3 in 500 ms: message from payments.process: no', topic: 'payments.process', afterMs: 500 }))
    line(said({ msg: 'broker sqlite at messages.db (default)' }))
    expect(written.map((text) => text.slice(21))).toEqual([
      'published    user.created to user-events, key 1\n',
      'retry        1/3 in 500 ms: message from payments.process: no\n',
    ])
  })

  it('shows every warning, and what is no log line at all', () => {
    const { line, written } = told({ colours: false })
    line(said({ level: 50, msg: 'publish failed' }))
    line({ from: 'users-api', text: 'Error: out of memory', log: undefined })
    expect(written.map((text) => text.slice(21))).toEqual(['warning      publish failed\n', 'warning      Error: out of memory\n'])
  })
})
