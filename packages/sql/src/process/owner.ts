import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

const MOST = 100

/** Names who takes a lease: the host and the process, for people, and something that nobody else is named. In ASCII, as its column is. */
export function newOwner(): string {
  return `${hostname()
    .replace(/[^!-.0-~]/g, '-')
    .slice(0, MOST)}/${process.pid}/${randomUUID()}`
}

/** Where the owner of a lease runs. Undefined for one that does not say it. */
export function placeOf(owner: string): { readonly host: string; readonly pid: number } | undefined {
  const [host, pid, id] = owner.split('/')
  return host && pid && id ? { host, pid: Number(pid) } : undefined
}
