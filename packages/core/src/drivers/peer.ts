import { asError, CorebusError } from '../errors.ts'

/**
 * A broker's client library is an optional peer. Each driver imports its own by name and in a `try`: so it is asked for where its broker is chosen
 * and nowhere else, and a bundler that does not find it leaves the import as it is, for a broker that this service does not use.
 */
export function peerMissing(broker: string, peer: string, thrown: unknown): Error {
  const error = asError(thrown)
  const isMissing = /^(ERR_)?MODULE_NOT_FOUND$/.test(String((error as { code?: unknown }).code)) && error.message.includes(peer)
  if (!isMissing) return error
  return new CorebusError('PEER_MISSING', `the broker ${broker} needs the package "${peer}": npm install ${peer}`, { cause: error })
}

/** The error of a driver that was made without `loadDriver`. */
export function notLoaded(broker: string): CorebusError {
  return new CorebusError('NOT_CONNECTED', `the client library of ${broker} is not loaded yet`)
}
