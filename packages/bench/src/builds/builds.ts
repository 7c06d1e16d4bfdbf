import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BrokerName } from '@corebus/testbed'
import { inFolder } from '../folder.ts'
import type { Comparison, Contestant } from '../measure.ts'

const HERE = join(import.meta.dirname, '../../../..')
const WORKER = join(import.meta.dirname, 'worker.ts')
const execute = promisify(execFile)

/** Each work is done with so many messages: with fewer a run would measure the compiler that warms up. */
const WORK: readonly { readonly work: string; readonly messages: number; readonly inProcess: number }[] = [
  { work: 'many', messages: 60_000, inProcess: 150_000 },
  { work: 'one by one', messages: 3_000, inProcess: 20_000 },
  { work: 'consume', messages: 60_000, inProcess: 150_000 },
]

export interface BuildsOptions {
  /** The checkout to compare with. Installed and built. */
  readonly before: string
  readonly brokers: readonly (BrokerName | 'memory' | 'sqlite')[]
  /** Compares the CPU time of the process instead of the time it took: what a busy machine changes less. */
  readonly cpu: boolean
  readonly urlOf: (broker: BrokerName) => Promise<string>
}

interface Run {
  readonly checkout: string
  readonly broker: string
  readonly url: string
  readonly work: string
  readonly messages: number
}

/** This build against that of another checkout, each run in a process of its own. */
export async function builds({ before, brokers, cpu, urlOf }: BuildsOptions): Promise<readonly Comparison[]> {
  const timed = async ({ checkout, broker, url, work, messages }: Run) => {
    const { stdout } = await execute(process.execPath, [WORKER, checkout, broker, url, work, String(messages)])
    const { ms, cpuMs } = JSON.parse(stdout) as { ms: number; cpuMs: number }
    return cpu ? cpuMs : ms
  }
  const comparisons: Comparison[] = []
  for (const broker of brokers) {
    const server = broker === 'memory' || broker === 'sqlite' ? undefined : await urlOf(broker)
    const inPlace = <T>(work: (url: string) => Promise<T>): Promise<T> => {
      if (server !== undefined) return work(server)
      return inFolder((folder) => work(broker === 'memory' ? 'memory://bench' : join(folder, 'messages.db')))
    }
    for (const { work, messages: most, inProcess } of WORK) {
      const messages = server === undefined ? inProcess : most
      const contestant = (name: string, checkout: string): Contestant => ({
        name,
        run: () => inPlace((url) => timed({ checkout, broker, url, work, messages })),
      })
      comparisons.push({
        name: `${broker}: ${work === 'consume' ? 'consume' : `publish ${work}`}, 200 B${cpu ? ', by CPU time' : ''}`,
        messages,
        contestants: [contestant('this build', HERE), contestant('the build before', before)],
        targets: [{ ours: 'this build', other: 'the build before', atLeast: 0.97 }],
      })
    }
  }
  return comparisons
}
