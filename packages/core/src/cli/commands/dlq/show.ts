import type { Command } from 'commander'
import { eachPage } from '../../../operations/letter-pages.ts'
import { withBroker } from '../../broker.ts'
import type { Common } from '../../common.ts'
import { EXIT_HELP } from '../../exit.ts'
import { JsonList } from '../../json-list.ts'
import { asText } from '../../letter-text.ts'
import { asJson } from '../../letters.ts'
import { write } from '../../report.ts'
import { checkFound, filterOf, narrowed } from './filter.ts'

interface Options extends Common {
  readonly topic?: string
  readonly group?: string
  readonly full?: true
  readonly json?: true
}

const HELP = `
Why it is here and what is in it. Several letters may have one id, as when two
groups gave up on the same message: all of them are shown, oldest first. A long
body or stack is cut unless --full or --json asks for all of it.

Examples:
  $ npx corebus dlq show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11
  $ npx corebus dlq show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11 --group billing
  $ npx corebus dlq show 01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11 --json | jq .
${EXIT_HELP}`

export function showCommand(dlq: Command): void {
  narrowed(dlq.command('show <id>').description('all that is known of one'))
    .option('--full', 'whole bodies and stacks')
    .option('--json', 'as a JSON list')
    .addHelpText('after', HELP)
    .action(show)
}

async function show(id: string, options: Options): Promise<void> {
  const filter = filterOf({ ...options, id: [id] })
  const how = { now: Date.now(), full: options.full === true }
  const json = new JsonList()
  let count = 0
  await withBroker('dlq', options, async ({ driver: { admin } }) => {
    await eachPage(admin, filter, async (letters) => {
      const between = count === 0 ? '' : '\n'
      count += letters.length
      return options.json
        ? json.add(letters.map(asJson))
        : write(`${between}${letters.map((letter) => asText(letter, how)).join('\n\n')}\n`)
    })
    await checkFound(admin, count, filter)
  })
  if (options.json) await json.end()
}
