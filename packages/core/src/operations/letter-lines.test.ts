import { expect, test } from 'vitest'
import type { DeadLetter, Message } from '../driver.ts'
import { lettersIn, lineOf } from './letter-lines.ts'

function letter(over: Partial<Message>): DeadLetter {
  return { message: { id: 'm', topic: 't', headers: { a: 'ü\n' }, body: new Uint8Array(), ...over }, group: 'g', place: 't.g.dlq', at: 0 }
}

test('a letter is the same after it was a line: bytes, key, headers, tombstone', () => {
  const bodies = [Buffer.from('{"a": 1 }\n'), Buffer.from('\ufeffx'), Buffer.from('\ufffd'), Uint8Array.of(0xff, 0, 0x0a), new Uint8Array()]
  const letters = [...bodies.map((body) => letter({ body, key: '7' })), letter({ tombstone: true })]
  const read = lettersIn(letters.map(lineOf).join('\n'))
  const plain = ({ message, group }: Pick<DeadLetter, 'message' | 'group'>) => ({ ...message, body: [...message.body], group })
  expect(read.map(plain)).toEqual(letters.map(plain))
})

test('a line that is no letter is named', () => {
  const line = lineOf(letter({}))
  const wrong = (text: string) => () => lettersIn(`${line}\n\n${text}`)
  expect(wrong('{')).toThrow(/^line 3 is no dead letter that was exported: /)
  expect(wrong('7')).toThrow('it is no object')
  expect(wrong(line.replace('"m"', '7'))).toThrow('its id is no text')
  expect(wrong(line.replace('"t"', '"a b"'))).toThrow('topic "a b" cannot be used')
  expect(wrong(line.replace('"bodyText"', '"body"'))).toThrow('neither bodyText nor bodyBase64')
  expect(wrong(line.replace('"ü\\n"', '7'))).toThrow('its header a is no text')
})
