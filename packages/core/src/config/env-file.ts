import { join } from 'node:path'
import { COMMAND } from '../errors.ts'
import { redactUrl } from '../options/redact.ts'
import { fs, util } from '../process/built-in.ts'
import { type Address, chooseAddress } from './address.ts'
import type { Env } from './env.ts'
import type { MessagingOptions } from './messaging-options.ts'
import { above } from './place.ts'

/**
 * What to say of a `.env` that names another broker, or another address, than the one this process uses: its API and its consumer would miss
 * each other. The file is the one that `core` reads, beside the nearest package.json. Undefined when there is nothing to say.
 */
export function otherInEnvFile(options: MessagingOptions, env: Env, cwd: string): string | undefined {
  const found = envFileAt(cwd)
  if (!found) return undefined
  // As they are named, before user, password and TLS are put into an address.
  const addressIn = (variables: Env): Address | undefined => chooseAddress(options, variables, cwd).value
  const [used, named] = [addressIn(env), addressIn({ ...found.variables, NODE_ENV: undefined })]
  if (!used || !named || named.level === 'default' || isSame(named, used)) return undefined
  const read = addressIn({ ...found.variables, ...env })
  const isOverruled = read !== undefined && isSame(read, used)
  const names = `${found.file} names ${named.broker} at ${redactUrl(named.url)}`
  return isOverruled
    ? `${names}, and the environment overrules it`
    : `${names}, and this process has not read it: start it with node --env-file-if-exists=.env, as ${COMMAND} consumer does`
}

const isSame = (a: Address, b: Address): boolean => a.broker === b.broker && a.url === b.url

function envFileAt(cwd: string): { readonly file: string; readonly variables: Env } | undefined {
  for (const folder of above(cwd)) {
    const text = textOf(join(folder, '.env'))
    if (text !== undefined) return { file: join(folder, '.env'), variables: util().parseEnv(text) }
    if (textOf(join(folder, 'package.json')) !== undefined) return undefined
  }
  return undefined
}

function textOf(file: string): string | undefined {
  try {
    return fs().readFileSync(file, 'utf8')
  } catch {
    // Not there, or not to be read: it has told this process nothing.
    return undefined
  }
}
