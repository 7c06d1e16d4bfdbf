/** A variable that cannot be used: the message says how it is written. */
export class WrongValue extends Error {}

// user:password@tcp(host:port)/database?parameters, as the Go driver for MySQL has it.
const GO_DSN = /^(?:(?<user>[^:@/]*)(?::(?<password>[^@]*))?@)?(?:tcp)?\((?<host>[^)]*)\)\/(?<database>[^?]*)/

/** @throws WrongValue for what is no URL of MySQL; for Go's form with the URL to use. */
export function mysqlUrl(dsn: string): string {
  const go = GO_DSN.exec(dsn)?.groups
  if (go) {
    const { user = '', password, host, database } = go
    // A password must not get into a log.
    const login = user === '' ? '' : `${encodeURIComponent(user)}${password === undefined ? '' : ':<password>'}@`
    throw new WrongValue(`is in the form of Go's driver: write it as mysql://${login}${host}/${database}`)
  }
  return urlOf(dsn, ['mysql:', 'mariadb:'], 'mysql://user:password@host:3306/database')
}

/** @throws WrongValue */
export function postgresUrl(dsn: string): string {
  return urlOf(dsn, ['postgres:', 'postgresql:'], 'postgres://user:password@host:5432/database')
}

/** Checks an address of MongoDB, which may name several hosts: URL does not know those. @throws WrongValue */
export function mongoUri(uri: string): string {
  if (!/^mongodb(\+srv)?:\/\/[^/?]+/.test(uri)) throw new WrongValue('is no address like mongodb://user:password@host:27017/database')
  return uri
}

function urlOf(text: string, protocols: readonly string[], example: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !protocols.includes(url.protocol) || url.hostname === '' || url.pathname.length < 2)
    throw new WrongValue(`is no address like ${example}`)
  return text.replace(/^mariadb:/, 'mysql:')
}
