import { CorebusError } from '../../errors.ts'

/** The user's options for the client that are passed on. */
export interface ClientOptions {
  readonly socket: Readonly<Record<string, unknown>>
  readonly client: Readonly<Record<string, unknown>>
}

const PASSED = ['name', 'clientInfoTag', 'disableClientInfo', 'credentialsProvider', 'socket']

/** Why some are refused, and what to use. */
const REFUSED: Readonly<Record<string, string>> = {
  ...of(['url', 'database'], 'the address says where Redis is: use url'),
  ...of(['username', 'password'], 'use auth'),
  ...of(['RESP', 'commandOptions', 'maintNotifications', 'emitInvalidate', 'clientSideCache'], 'the driver relies on how replies come'),
  keyPrefix: 'use prefix',
  ...of(['disableOfflineQueue', 'commandsQueueMaxLength'], 'the driver keeps what waits, with a deadline each: use publish.maxPending'),
  pingInterval: 'the driver notices a silent connection by itself',
  readonly: 'the driver writes',
}
const REFUSED_SOCKET: Readonly<Record<string, string>> = {
  ...of(['host', 'port', 'path'], 'the address says where Redis is: use url'),
  ...of(['tls', 'ca', 'cert', 'key'], 'use tls'),
  reconnectStrategy: 'the driver reconnects by itself, and knows what was in flight',
  socketTimeout: 'the driver notices a silent connection by itself; one that waits for messages is silent',
  checkServerIdentity: 'whom Redis claims to be would not be checked: give servername if its certificate has another name',
}

function of(names: readonly string[], why: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]))
}

/** @throws CorebusError CLIENT_OPTION for one that would break a promise, or that the driver does not pass on. */
export function clientOptions(given: Readonly<Record<string, unknown>> = {}): ClientOptions {
  const { socket = {}, ...client } = given
  const inSocket = typeof socket === 'object' && socket !== null ? { ...socket } : undefined
  const faults = [
    ...Object.keys(client).flatMap((name) =>
      PASSED.includes(name) ? [] : `client.${name} ${REFUSED[name] ? `cannot be given: ${REFUSED[name]}` : 'is not passed on'}`,
    ),
    ...Object.entries(inSocket ?? {}).flatMap(([name, value]) => {
      const fault = socketFault(name, value)
      return fault ? `client.socket.${name} ${fault}` : []
    }),
    ...(inSocket ? [] : ['client.socket must be an object']),
  ]
  if (faults.length > 0) throw new CorebusError('CLIENT_OPTION', `options for the Redis client: ${faults.join('; ')}`)
  return { socket: inSocket ?? {}, client }
}

function socketFault(name: string, value: unknown): string | undefined {
  if (REFUSED_SOCKET[name]) return `cannot be given: ${REFUSED_SOCKET[name]}`
  if (name === 'rejectUnauthorized' && value === false)
    return "must not be false: whoever answers would be trusted; give Redis's authority in tls.ca"
  if (name === 'connectTimeout' && !(typeof value === 'number' && value > 0))
    return 'must be a number of milliseconds above 0, or a connect could hang for ever'
  return undefined
}
