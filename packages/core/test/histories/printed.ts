import { fileURLToPath } from 'node:url'
import type { Found } from './search.ts'

const SEARCH = fileURLToPath(new URL('search.ts', import.meta.url))

/** A history as a test that can be pasted into a file of its own, or into packages/core/test/histories/found.test.ts. */
export function printed({ fault, setting, steps, order }: Found, search: string = SEARCH): string {
  return `import { test } from 'vitest'
import { replay } from ${literal(search)}

// ${fault}
test(${literal(fault)}, async () => {
  await replay(
    ${literal(setting)},
    [
${steps.map((step) => `      ${literal(step)},`).join('\n')}
    ],
    ${literal(order)},
  )
})
`
}

/** As the code around it is written. */
function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([name, one]) => `${name}: ${literal(one)}`)
      .join(', ')} }`
  return String(value)
}
