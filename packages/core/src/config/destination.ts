import { basename } from 'node:path'
import { crypto } from '../process/built-in.ts'
import type { Config } from './config.ts'

const NAMES_SHOWN = 8

/**
 * Says in words where the messages of an instance go: the kind of broker, its virtual host, number or file, the prefix, and a hash of the names of topics.
 * Two processes of one service say the same, so neither hosts, which they may reach under different names, nor secrets are in it.
 */
export function destinationOf({ broker, url, prefix, names }: Pick<Config, 'broker' | 'url' | 'prefix' | 'names'>): string {
  const said = Object.entries(names ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const hash = (): string => crypto().createHash('sha256').update(JSON.stringify(said)).digest('hex')
  return [
    `${broker}${placeOn(broker, url)}`,
    ...(prefix === '' ? [] : [`prefix ${prefix}`]),
    ...(said.length === 0 ? [] : [`names ${hash().slice(0, NAMES_SHOWN)}`]),
  ].join(', ')
}

function placeOn(broker: Config['broker'], url: string): string {
  switch (broker) {
    case 'rabbitmq':
    case 'redis': {
      const path = URL.parse(url)?.pathname.slice(1) ?? ''
      // Redis has number 0 where none is said, and amqplib takes the virtual host that is called /.
      return path === '' || path === '0' || path === '%2F' || path === '%2f' ? '' : ` ${path}`
    }
    case 'sqlite':
      return ` ${basename(url)}`
    case 'kafka':
    case 'memory':
    case 'custom':
      return ''
  }
}
