import { expect, test } from 'vitest'
import type { Burying, DeadLetter, Message } from '../driver.ts'
import { lettersIn, lineOf } from './letter-lines.ts'

function letter(over: Partial<Message>): DeadLetter {
  return { message: { id: 'm', topic: 't', headers: { a: 'ü\n' }, body: new Uint8Array(), ...over }, group: 'g', place: 't.g.dlq', at: 0 }
}

/** The text in pieces, as a file is read. */
async function* pieces(text: string): AsyncGenerator<string> {
  for (let from = 0; from < text.length; from += 7) yield text.slice(from, from + 7)
}

async function read(text: string): Promise<readonly Burying[]> {
  const letters: Burying[] = []
  for await (const letter of lettersIn(pieces(text))) letters.push(letter)
  return letters
}

test('a letter is the same after it was a line: bytes, key, headers, tombstone', async () => {
  const bodies = [Buffer.from('{"a": 1 }\n'), Buffer.from('\ufeffx'), Buffer.from('\ufffd'), Uint8Array.of(0xff, 0, 0x0a), new Uint8Array()]
  const letters = [...bodies.map((body) => letter({ body, key: '7' })), letter({ tombstone: true })]
  const found = await read(letters.map(lineOf).join('\n'))
  const plain = ({ message, group }: Pick<DeadLetter, 'message' | 'group'>) => ({ ...message, body: [...message.body], group })
  expect(found.map(plain)).toEqual(letters.map(plain))
})

test('a line that is no letter is named', async () => {
  const line = lineOf(letter({}))
  const wrong = (text: string) => expect(read(`${line}\n\n${text}`)).rejects
  await wrong('{').toThrow(/^line 3 is no dead letter that was exported: /)
  await wrong('7').toThrow('it is no object')
  await wrong(line.replace('"m"', '7')).toThrow('its id is no text')
  await wrong(line.replace('"t"', '"a b"')).toThrow('topic "a b" cannot be used')
  await wrong(line.replace('"bodyText"', '"body"')).toThrow('neither bodyText nor bodyBase64')
  await wrong(line.replace('"ü\\n"', '7')).toThrow('its header a is no text')
})
