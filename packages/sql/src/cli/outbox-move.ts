import { type Command, confirm, EXIT_HELP, print, type WithEntry } from '@corebus/core/internal/cli'
import { withEntryOptions, withStore } from './parts.ts'

const HELP = `
An outbox belongs to the first service whose relay had it: another one that
would publish to another broker, or under another prefix, is refused
(OUTBOX_SHARED). This gives it to the service of the entry, with what waits in
it, after it has said so and somebody has said yes: y on a terminal, --yes
elsewhere. A service that has another broker than before needs no move.

Stop the relays of the other service first: those that run go on until they end.

Examples:
  $ npx corebus outbox move
  $ npx corebus outbox move --entry src/messaging.ts --yes
${EXIT_HELP}`

export function moveCommand(outbox: Command): void {
  withEntryOptions(outbox.command('move').description('let the service of the entry publish what is in it, and not another one'))
    .option('--yes', 'without being asked')
    .addHelpText('after', HELP)
    .action(move)
}

async function move({ yes, ...options }: WithEntry & { readonly yes?: true }): Promise<void> {
  const said = await withStore(options, async (store, outbox) => {
    const marking = outbox.marking()
    const [before, { service, destination }] = [await marking.read(), marking.ours]
    if (before?.service === service && before.destination === destination) return `${service} publishes to ${destination} already`
    const { waiting, aside, held, delayed } = await store.status()
    const from = before ? `published by ${before.service}, to ${before.destination}` : 'published by nobody yet'
    const where = `${outbox.feature.name} of ${outbox.database().where}`
    const what = `${waiting + aside + held + delayed} messages wait in ${where}, which is ${from}: from now on ${service} publishes them, to ${destination}`
    await confirm(what, { yes: yes === true })
    await marking.takeOver()
    return `${service} publishes what is in ${where}, to ${destination}`
  })
  await print(said)
}
