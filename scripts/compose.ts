// What tests read of docker-compose.yaml, which nothing here can run: no engine.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

export const ROOT: string = join(import.meta.dirname, '..')

export interface Service {
  readonly image: string
  readonly hostname?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

export function composeFile(): ComposeFile {
  return parse(readFileSync(join(ROOT, 'docker-compose.yaml'), 'utf8')) // its shape is what compose.test.ts checks
}

/** Where in the repository a file of the container comes from, by the container's path. */
export function mountedFiles({ volumes = [] }: Service): ReadonlyMap<string, string> {
  const mounts = volumes.map((volume) => volume.split(':')).filter(([from = '']) => from.startsWith('./'))
  return new Map(mounts.map(([from = '', to = '']) => [to, join(ROOT, from)]))
}
