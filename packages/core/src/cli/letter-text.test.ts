import { describe, expect, test } from 'vitest'
import type { DeadLetter, Message } from '../driver.ts'
import { listed, shownHere } from './commands/dlq/list.ts'
import { asText } from './letter-text.ts'

const AT = Date.parse('2026-11-30T10:00:00Z')
const NOW = AT + 3 * 60_000

function letter(over: Partial<Message> = {}): DeadLetter {
  const headers = {
    'corebus-attempt': '4',
    'corebus-reason': 'failed',
    'corebus-error': 'card declined',
    'corebus-error-code': 'ECARD',
    'corebus-error-stack': 'Error: card declined\n    at charge (payments.ts:7:9)',
    'corebus-correlation': 'req-1',
    'x-tenant': 'acme',
  }
  const body = Buffer.from(JSON.stringify({ name: 'order.paid', data: { id: 7 }, timestamp: 't', source: 's' }))
  return {
    message: { id: 'm-1', topic: 'orders', key: '7', headers, body, ...over },
    group: 'billing',
    place: 'orders.billing.dlq',
    at: AT,
  }
}

const shown = (over: Partial<Message> = {}, full = false) => asText(letter(over), { now: NOW, full })

describe('a letter in words', () => {
  test('says what it is, why it is here and what is in it', () => {
    expect(shown()).toBe(`id           m-1
topic        orders
group        billing
place        orders.billing.dlq
event        order.paid
key          7
when         2026-11-30T10:00:00.000Z (3 min ago)
attempts     4
reason       failed
code         ECARD
correlation  req-1
error
  card declined
stack
  Error: card declined
      at charge (payments.ts:7:9)
headers
  x-tenant: acme
body, 66 bytes
  {
    "name": "order.paid",
    "data": {
      "id": 7
    },
    "timestamp": "t",
    "source": "s"
  }`)
  })

  test('shows text as text, and bytes in hexadecimal', () => {
    expect(shown({ body: Buffer.from('not {json') })).toContain('body, 9 bytes, no JSON\n  not {json')
    expect(shown({ body: Uint8Array.of(0xff, 0x00, 0x41) })).toMatch(/body, 3 bytes, no text\n {2}000000 {2}ff 00 41 +\.\.A$/)
    expect(shown({ body: new Uint8Array(), tombstone: true })).toContain('body\n  none: it is a tombstone')
  })

  test('cuts a long body and a deep stack, and with full nothing', () => {
    const body = Buffer.from('x'.repeat(10_000))
    const headers = { 'corebus-error-stack': Array.from({ length: 30 }, (_, n) => `line ${n}`).join('\n') }
    expect(shown({ body, headers })).toContain('… (6000 more)')
    expect(shown({ body, headers })).toContain('… (22 lines more)')
    expect(shown({ body: Buffer.alloc(3_000, 0xff) })).toContain('… (2000 bytes more)')
    expect(shown({ body, headers }, true)).not.toContain('…')
  })

  test('lets nothing of a message reach the terminal as a command, or forge a line', () => {
    const evil = '\u001b[2Jgone\r\u202e'
    const text = shown({
      id: `1\ngroup  nobody${evil}`,
      key: evil,
      headers: { 'corebus-error': `a\nb${evil}`, [`h${evil}`]: `v\n${evil}` },
      body: Buffer.from(evil),
    })
    for (const char of ['\u001b', '\r', '\u202e']) expect(text).not.toContain(char)
    expect(text).toContain('id        1\\ngroup  nobody\\x1b[2Jgone\\r\\u202e')
    expect(text.split('\n').filter((line) => line.startsWith('group'))).toEqual(['group     billing'])
  })
})

test('a list on a terminal stops at 100 and says how many are left, elsewhere it is whole', () => {
  expect([shownHere(false, true), shownHere(false, false), shownHere(true, true)]).toEqual([100, undefined, undefined])
  expect(listed([letter()], { next: 'x', count: 1_233 }, NOW, 80).split('\n').at(-1)).toBe('and 1233 more: go on with --after x')
  expect(listed([letter()], undefined, NOW, 80)).not.toContain('more')
})
