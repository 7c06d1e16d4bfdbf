import { isPackage, packageRoot } from './version.ts'

// The helpers that compilers call a decorator through.
const HELPERS = /node_modules\/(tslib|@swc\/helpers|@babel\/runtime|reflect-metadata)\//
/** What compilers put into the user's own file for that: `__decorateClass` (esbuild), `__esDecorate` (TypeScript), `_ts_decorate` (SWC). */
const INLINE_HELPER = /^\s*at (?:\w+\.)?_+\w*(?:decorate|applydecs|runinitializers)\w* /i
const OURS_BY_MAP = /@corebus\/core\/(src|dist)\//
const LINE = /((?:file:\/\/)?[^\s(]+:\d+):\d+\)?$/

/**
 * Returns where a user called us, for messages: `/app/src/messaging.ts:12`, the first line of the stack outside of this package. `called` was made in the
 * call: an error costs little until its stack is asked for.
 */
export function callSite(called: Error = new Error()): string | undefined {
  const lines = called.stack?.split('\n').slice(2) ?? []
  const line = lines.find((l) => !isOurs(l))
  // What an import with a query evaluates again is the same file.
  return LINE.exec(line ?? '')?.[1]
    ?.replace(/^file:\/\//, '')
    .replace(/\?.*(?=:\d+$)/, '')
}

function isOurs(line: string): boolean {
  if (line.includes('node:') || HELPERS.test(line) || INLINE_HELPER.test(line)) return true
  // In a bundle a line is the user's only where a source map says so.
  if (!isPackage) return line.includes(packageRoot) || OURS_BY_MAP.test(line)
  return (line.includes(`${packageRoot}/src/`) || line.includes(`${packageRoot}/dist/`)) && !/\.test\.ts/.test(line)
}
