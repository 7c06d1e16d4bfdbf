// Makes the topics of all contracts on the broker, those that are not there yet. Usage: npm run topics:ecommerce -- [--broker kafka]
import * as contracts from '@ecommerce/contracts'
import { type CommandResult, run } from '../../two-apis/demo/child.ts'
import { parseChoice } from './choice.ts'
import { serviceSettings } from './service-env.ts'
import { coreCommand } from './service-process.ts'
import { SERVICES } from './system.ts'

/** The topics of the system: each event has one. */
export const TOPICS: readonly string[] = Object.values(contracts).flatMap((one) =>
  typeof one === 'object' && 'topic' in one && typeof one.topic === 'string' ? [one.topic] : [],
)

/** Runs `npx corebus topics create` on the broker of this environment, in which the names of variables are the SDK's. */
export const createTopics = (env: NodeJS.ProcessEnv): Promise<CommandResult> =>
  run([coreCommand(), 'topics', 'create', ...TOPICS], { cwd: import.meta.dirname, env })

if (import.meta.main) {
  const parsed = parseChoice(process.argv.slice(2), ['broker'])
  if (parsed.kind !== 'run') {
    console.error(`topics:ecommerce: ${parsed.kind === 'wrong' ? parsed.why : 'npm run topics:ecommerce -- [--broker kafka]'}`)
    process.exitCode = parsed.kind === 'wrong' ? 2 : 0
  } else {
    const { messagingEnv } = serviceSettings(SERVICES[0], parsed.choice, process.env)
    const { code, output, errors } = await createTopics(messagingEnv)
    process.stdout.write(output)
    process.stderr.write(errors)
    process.exitCode = code ?? 1
  }
}
