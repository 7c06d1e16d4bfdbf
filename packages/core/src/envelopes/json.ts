import { decodeJson } from '../wire/envelope.ts'
import type { Incoming } from '../wire/foreign-envelope.ts'

export type Json = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What the message says that it is: in a header on Kafka and Redis, in a property on AMQP. */
export const contentTypeOf = (message: Incoming): string =>
  (message.header('content-type') ?? message.properties.contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''

/** The body, where it is a JSON object. Anything else is not what its reader looks for, unless its content type says so. @throws Error for that */
export function objectIn(message: Incoming, saidBy?: string): Json | undefined {
  let body: unknown
  try {
    body = message.json()
  } catch (error) {
    if (saidBy !== undefined) throw error
  }
  if (isObject(body)) return body
  if (saidBy !== undefined) throw new Error(`the content type is ${saidBy}, and the body is no JSON object`)
  return undefined
}

export const textIn = (of: Json, name: string): string | undefined => {
  const value = Object.hasOwn(of, name) ? of[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

const encoder = new TextEncoder()

export const encoded = (text: string): Uint8Array => encoder.encode(text)

/** The data of a content type: JSON where it is said or nothing is, text where that is said, else the bytes. @throws SyntaxError when it is not what is said */
export function dataOf(bytes: Uint8Array, contentType: string | undefined): unknown {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (bytes.length === 0) return null
  if (type === '' || type === 'application/json' || type === 'text/json' || type.endsWith('+json')) return decodeJson(bytes)
  return type.startsWith('text/') ? new TextDecoder('utf-8', { fatal: true }).decode(bytes) : bytes
}

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const WITH_ZONE = /T.*(Z|[+-]\d\d:?\d\d)$/i

/** A time as events have it, in UTC; undefined for what is none. */
export function utcOf(text: string | undefined): string | undefined {
  const ms = text !== undefined && WITH_ZONE.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) return undefined
  return text !== undefined && UTC.test(text) ? text : new Date(ms).toISOString()
}

/** @throws Error for what is no base64, of which Buffer reads as much as it can */
export function base64In(text: unknown, field: string): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : undefined
  const unpadded = (base64: string) => base64.replace(/=*$/, '')
  if (typeof text !== 'string' || !bytes || unpadded(bytes.toString('base64')) !== unpadded(text)) throw new Error(`${field} is no base64`)
  return new Uint8Array(bytes)
}
