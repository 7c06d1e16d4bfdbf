import type { Schema } from './schema.ts'

/** Of JSON Schema only what is looked at. */
interface Described {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, Described>>
  readonly items?: Described
}

/** Standard JSON Schema (standardschema.dev): a library that describes what goes into a schema, and what comes out of it. */
interface Describes {
  readonly input: (options: { readonly target: string }) => Described
  readonly output: (options: { readonly target: string }) => Described
}

const TARGET = { target: 'draft-2020-12' }

/** The fields that a schema turns into something else, where its library can tell. */
export function oneWayIn(schema: Schema): readonly string[] {
  const { jsonSchema } = schema['~standard'] as { readonly jsonSchema?: Describes }
  if (!jsonSchema) return []
  try {
    return differing(jsonSchema.input(TARGET), jsonSchema.output(TARGET), '')
  } catch {
    // What has no JSON Schema may travel all the same: it is seen when something is published.
    return []
  }
}

function differing(before: Described, after: Described, path: string): readonly string[] {
  const name = path === '' ? 'the payload' : path.replace(/^\./, '')
  if (typeof before.type === 'string' && before.type !== after.type)
    return [
      `${name}: it goes in as ${before.type} and comes out as ${typeof after.type === 'string' ? after.type : 'something else'}, and every handler would do that again. Describe what travels, and wrap it with codec(schema, { decode, encode })`,
    ]
  const fields = Object.entries(before.properties ?? {}).flatMap(([field, inner]) => {
    const other = after.properties?.[field]
    return other ? differing(inner, other, `${path}.${field}`) : []
  })
  const items = before.items && after.items ? differing(before.items, after.items, `${path}[]`) : []
  return [...fields, ...items]
}
