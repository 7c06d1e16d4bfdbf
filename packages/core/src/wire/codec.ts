import { CorebusError } from '../errors.ts'
import { isSchema, type Schema } from './schema.ts'

/** The two ways of a payload: what handlers get from what travels, and back. */
export interface CodecOptions<Wire, Data> {
  /** From what travelled, checked by the schema, to what handlers get. */
  readonly decode: (wire: Wire) => Data
  /** From what is published to what travels, which is then checked by the schema. */
  readonly encode: (data: Data) => Wire
}

export interface Codec<Wire = unknown, Data = unknown> extends CodecOptions<Wire, Data> {
  readonly schema: Schema<Wire>
}

/** Where a schema keeps its codec. The symbol is a global one, because the package may be loaded twice. */
const CODEC = Symbol.for('corebus.codec')

/**
 * For libraries other than zod, whose schemas must not transform: a schema of what travels, and a pair of functions to and from what handlers
 * get and publishers give. What either function throws is PAYLOAD_INVALID. With zod, write `z.codec`.
 * @throws CorebusError EVENT_TYPE when one of the three is missing
 * @example
 * const Shipped = codec(v.object({ at: v.pipe(v.string(), v.isoTimestamp()) }), {
 *   decode: ({ at }) => ({ at: new Date(at) }),
 *   encode: ({ at }) => ({ at: at.toISOString() }),
 * })
 */
export function codec<Wire, Data>(schema: Schema<Wire>, options: CodecOptions<NoInfer<Wire>, Data>): Schema<Data> {
  const { decode, encode } = (options as CodecOptions<Wire, Data> | null) ?? ({} as Partial<CodecOptions<Wire, Data>>)
  if (!isSchema(schema) || typeof decode !== 'function' || typeof encode !== 'function')
    throw new CorebusError('EVENT_TYPE', 'codec needs a schema of what travels, and two functions: codec(schema, { decode, encode })')
  return {
    [CODEC]: { schema, decode, encode } satisfies Codec<Wire, Data>,
    '~standard': {
      version: 1,
      vendor: 'corebus',
      validate: () => {
        throw new CorebusError('EVENT_TYPE', 'a codec has two ways: give it to defineEvent or to a handler as its schema')
      },
    },
  } as Schema<Data>
}

export function codecIn(schema: Schema): Codec | undefined {
  return (schema as { readonly [CODEC]?: Codec })[CODEC]
}
