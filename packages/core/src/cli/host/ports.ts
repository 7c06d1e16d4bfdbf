import { AsyncLocalStorage } from 'node:async_hooks'
import { Server } from 'node:net'
import { COMMAND, CorebusError } from '../../errors.ts'
import { placeIn } from './place.ts'

type Listen = (this: Server, ...args: unknown[]) => Server

/** True in everything the loading has set off, also long after it: `main()` that nobody awaits opens its port late. */
const loading = new AsyncLocalStorage<true>()

/**
 * Runs `load` and keeps it from opening ports: `onPort` gets an error that names port and line, and nothing is opened, so that an API which
 * already runs beside us has not yet made it fail with "address in use". What `onStart` opens later is its own business.
 */
export function withoutPorts<T>(load: () => Promise<T>, onPort: (error: CorebusError) => void): Promise<T> {
  // `listen` has eight overloads; it is passed on untouched.
  const prototype = Server.prototype as unknown as { listen: Listen }
  const { listen } = prototype
  prototype.listen = function (...args) {
    const port = loading.getStore() ? portIn(args) : undefined
    if (port === undefined) return listen.apply(this, args)
    onPort(portError(port, placeIn(new Error().stack)))
    return this
  }
  return loading.run(true, load)
}

/** Undefined for pipes, Unix sockets and handles: those are no ports. */
function portIn([first]: readonly unknown[]): string | undefined {
  const given = typeof first === 'object' && first !== null ? first : { port: first }
  if ('path' in given || 'fd' in given || '_handle' in given) return undefined
  const port = 'port' in given ? given.port : undefined
  if (typeof port === 'string' && !/^\d+$/.test(port)) return undefined
  return port === undefined || port === null || Number(port) === 0 || typeof port === 'function' ? 'a free port' : `port ${Number(port)}`
}

function portError(port: string, place: string | undefined): CorebusError {
  return new CorebusError(
    'USAGE',
    `the entry opens ${port} while it loads${place === undefined ? '' : ` (${place})`}. An entry of \`${COMMAND} consumer\` only registers handlers: move the server into a file that the entry does not import, or name another entry, as the argument or as corebus.entry in package.json`,
  )
}
