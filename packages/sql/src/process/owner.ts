import { randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

const MOST = 100
const HOST = hostname()
  .replace(/[^!-.0-~]/g, '-')
  .slice(0, MOST)
/** Containers on one machine may have one name and each its own numbers of processes: what they are counted in has a number too, on Linux. */
const NAMESPACE = namespace()
/** Another process may get the number of one that has ended. */
const PROCESS = randomUUID()

function namespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  } catch {
    return ''
  }
}

/** Names who takes a lease: the host and the process, for people, and something that nobody else is named. In ASCII, as its column is. */
export function newOwner(): string {
  return `${HOST}/${process.pid}/${NAMESPACE}/${PROCESS}/${randomUUID()}`
}

interface Place {
  readonly host: string
  readonly pid: number
}

/** Where the owner of a lease runs. Undefined for one that does not say it. */
export function placeOf(owner: string): Place | undefined {
  const [host, pid, ...ids] = owner.split('/')
  return host && pid && ids.length > 0 ? { host, pid: Number(pid) } : undefined
}

/** Whether the owner was a process of this machine that has ended. Of another machine, or another container, nothing is known. */
export function isDead(owner: string): boolean {
  const [host, pid, space, own] = owner.split('/')
  if (host !== HOST || space !== NAMESPACE || NAMESPACE === '' || own === undefined) return false
  if (Number(pid) === process.pid) return own !== PROCESS
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
