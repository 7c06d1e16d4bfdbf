import { packageRoot } from './version.ts'

const LINE = /((?:file:\/\/)?[^\s(]+:\d+):\d+\)?$/

/** Where a user called us, for messages: `/app/src/messaging.ts:12`, the first line of the stack outside of this package. */
export function callSite(): string | undefined {
  const lines = new Error().stack?.split('\n').slice(2) ?? []
  const line = lines.find((l) => !isOurs(l))
  return LINE.exec(line ?? '')?.[1]?.replace(/^file:\/\//, '')
}

function isOurs(line: string): boolean {
  return (
    line.includes('node:') || ((line.includes(`${packageRoot}/src/`) || line.includes(`${packageRoot}/dist/`)) && !/\.test\.ts/.test(line))
  )
}
