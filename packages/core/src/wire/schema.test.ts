import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'
import { CorebusError } from '../errors.ts'
import { type Schema, wireOf } from './schema.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

function failure(run: () => unknown): CorebusError {
  try {
    run()
  } catch (error) {
    if (error instanceof CorebusError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A library that is not zod: checks one field and strips the rest. */
function standard<Out>(validate: Schema<Out>['~standard']['validate']): Schema<Out> {
  return { '~standard': { version: 1, vendor: 'ours', validate } }
}
const named = standard<{ name: string }>((value) => {
  const name = (value as { name?: unknown } | null)?.name
  return typeof name === 'string' ? { value: { name } } : { issues: [{ message: 'must be text', path: [{ key: 'user' }, 'name'] }] }
})

describe('a zod schema', () => {
  test('strips what it does not know, in both directions', () => {
    const wire = wireOf(z.object({ id: z.number(), address: z.object({ city: z.string() }) }))
    const extra = { id: 1, passwordHash: 'x', address: { city: 'Oslo', door: 4 } }
    expect(wire.encode(extra)).toEqual({ id: 1, address: { city: 'Oslo' } })
    expect(wire.decode(extra)).toEqual({ id: 1, address: { city: 'Oslo' } })
  })

  test('takes a codec to the wire and back', () => {
    const wire = wireOf(z.object({ at: isoDate }))
    const at = new Date('2026-02-01T12:00:00.000Z')
    const encoded = wire.encode({ at })
    expect(encoded).toEqual({ at: '2026-02-01T12:00:00.000Z' })
    expect(wire.decode(JSON.parse(JSON.stringify(encoded)))).toEqual({ at })
  })

  test('refuses on the code side what only fits the wire side', () => {
    expect(failure(() => wireOf(z.object({ at: isoDate })).encode({ at: '2026-02-01T12:00:00.000Z' })).code).toBe('PAYLOAD_INVALID')
  })

  test('of zod/mini works the same', () => {
    const wire = wireOf(mini.object({ id: mini.number() }))
    expect(wire.encode({ id: 1, more: 2 })).toEqual({ id: 1 })
    expect(failure(() => wire.decode({ id: 'one' })).message).toMatch(/ id: /)
  })

  test('lists what does not fit by path, and keeps the cause', () => {
    const wire = wireOf(z.object({ id: z.number(), user: z.object({ emails: z.array(z.email()) }) }))
    const error = failure(() => wire.decode({ user: { emails: ['a@b.io', 'nope'] } }))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.message).toContain('id: Invalid input: expected number, received undefined')
    expect(error.message).toContain('user.emails.1: Invalid email address')
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('lists at most five', () => {
    const fields = Object.fromEntries([...'abcdefgh'].map((name) => [name, z.string()]))
    const { message } = failure(() => wireOf(z.object(fields)).encode({}))
    expect(message.match(/expected string/g)).toHaveLength(5)
    expect(message).toMatch(/; and 3 more$/)
  })

  test('names no path when the payload itself is wrong', () => {
    expect(failure(() => wireOf(z.string()).decode(1)).message).toBe(
      'the payload does not fit its schema: Invalid input: expected string, received number',
    )
  })

  test('that validates asynchronously is refused in both directions', () => {
    const wire = wireOf(z.object({ id: z.string().refine(async () => true) }))
    expect(failure(() => wire.encode({ id: 'a' })).code).toBe('SCHEMA_ASYNC')
    expect(failure(() => wire.decode({ id: 'a' })).code).toBe('SCHEMA_ASYNC')
  })

  test('whose codec throws makes the payload invalid', () => {
    const url = z.codec(z.string(), z.instanceof(URL), { decode: (text) => new URL(text), encode: String })
    const error = failure(() => wireOf(url).decode('not a url'))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.cause).toBeInstanceOf(TypeError)
  })
})

describe('a schema of another library', () => {
  test('validates on both sides and sends what it returns', () => {
    const wire = wireOf(named)
    expect(wire.encode({ name: 'Ada', extra: 1 })).toEqual({ name: 'Ada' })
    expect(wire.decode({ name: 'Ada', extra: 1 })).toEqual({ name: 'Ada' })
  })

  test('lists its issues by path', () => {
    const error = failure(() => wireOf(named).decode({}))
    expect(error.code).toBe('PAYLOAD_INVALID')
    expect(error.message).toContain('user.name: must be text')
    expect(error.cause).toMatchObject({ issues: [{ message: 'must be text' }] })
  })

  test('that answers with a promise is refused, and the promise may reject unheard', async () => {
    const wire = wireOf(standard(() => Promise.reject(new Error('later'))))
    expect(failure(() => wire.decode({})).code).toBe('SCHEMA_ASYNC')
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('that throws makes the payload invalid', () => {
    const wire = wireOf(
      standard(() => {
        throw new Error('broken')
      }),
    )
    expect(failure(() => wire.encode({})).message).toContain('broken')
  })

  test('may be a function, as in arktype', () => {
    const callable = Object.assign(() => undefined, named)
    expect(wireOf(callable).decode({ name: 'Ada' })).toEqual({ name: 'Ada' })
  })
})
