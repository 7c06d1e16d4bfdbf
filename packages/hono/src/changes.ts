import type { Schema } from '@corebus/core'

/** A schema that can be made partial, as zod's can: it is known by what it can do. */
interface Partly {
  partial(): Schema<unknown>
}

const canBePartial = (schema: object): schema is Partly => 'partial' in schema && typeof schema.partial === 'function'

/** A schema of some of the fields, of one of all; undefined where the library has no `partial`. */
export function changesIn<Data>(schema: Schema<Data>): Schema<Partial<Data>> | undefined {
  if (!canBePartial(schema)) return undefined
  const partial = schema.partial()
  return {
    '~standard': {
      version: 1,
      vendor: 'corebus',
      async validate(wire) {
        const result = await partial['~standard'].validate(wire)
        return result.issues ? result : { value: onlyGiven(result.value as object, wire as object) as Partial<Data> }
      },
    },
  }
}

/** A default is for what is new: in a change it would overwrite what is there. */
function onlyGiven(value: object, wire: object): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(wire, name)))
}
