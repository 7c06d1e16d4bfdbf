import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { asError, COMMAND, CorebusError } from '../../errors.ts'
import { HEADER } from '../../wire/headers.ts'
import { newId } from '../../wire/id.ts'
import { withBroker } from '../broker.ts'
import type { Common } from '../common.ts'
import { EXIT_HELP } from '../exit.ts'
import { print } from '../report.ts'

interface Options extends Common {
  readonly event?: string
  readonly key?: string
  readonly exchange?: string
  readonly routingKey?: string
}

const HELP = `
The message is JSON, in quotes for your shell, or - to read it from stdin; null
with a --key is a tombstone. Prints id and topic once the broker has confirmed.
The broker is the one that .env and the environment name; what the service's
code says is not seen.

Examples:
  $ npx corebus publish orders.created '{"order_id": 7}' --key 7
  $ npx corebus publish user-events '{"id": 1}' --event user.created --key 1
  $ npx corebus publish orders.created - < order.json
  $ npx corebus publish orders '{"id": 7}' --exchange shop.orders \\
      --routing-key order.eu.created
${EXIT_HELP}`

export function define(command: Command): void {
  command
    .option('--event <name>', 'as an event of this name: the message is its data, {} if left out')
    .option('--key <key>', 'messages with the same key keep their order')
    .option('--exchange <name>', 'RabbitMQ: to this exchange, which is there, instead of to the topic')
    .option('--routing-key <key>', 'together with --exchange')
    .addHelpText('after', HELP)
    .action(async (topic: string, json: string | undefined, options: Options) => {
      await publish(topic, json === '-' ? await text(process.stdin) : json, options)
    })
}

async function publish(topic: string, json: string | undefined, options: Options): Promise<void> {
  const { event, key, exchange, routingKey } = options
  if (json === undefined && event === undefined)
    throw new CorebusError(
      'USAGE',
      `what is to be published? Give JSON, or - to read it from stdin, as in: ${COMMAND} publish ${topic} '{"id": 1}'`,
    )
  const data = json === undefined ? {} : parsed(json)
  const id = newId()
  const target = { ...(exchange !== undefined && { exchange }), ...(routingKey !== undefined && { routingKey }) }
  const options_ = { id, ...(key !== undefined && { key }), ...target }
  await withBroker('publish', options, async ({ messaging }) => {
    if (event !== undefined) await messaging.publishEvent(event, data, { ...options_, topic })
    else if (data === null || json === undefined) await messaging.getProducer().send(topic, null, options_)
    // As it was typed: a number of more than 15 digits would not survive being read and written.
    else
      await messaging
        .getProducer()
        .send(topic, new TextEncoder().encode(json.trim()), { ...options_, headers: { [HEADER.contentType]: 'application/json' } })
  })
  await print(`${id} ${topic}`)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new CorebusError(
      'USAGE',
      `the message is no JSON: ${asError(cause).message}. Mind the quotes of your shell: '{"id": 1}', and '"text"' for a text`,
      { cause },
    )
  }
}
