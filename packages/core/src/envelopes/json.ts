import { decodeJson } from '../wire/envelope.ts'
import type { Incoming } from '../wire/foreign-envelope.ts'

export type Json = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The body, where it is a JSON object. Anything else is not what its reader looks for. */
export function objectIn(message: Incoming): Json | undefined {
  let body: unknown
  try {
    body = message.json()
  } catch {
    return undefined
  }
  return isObject(body) ? body : undefined
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
