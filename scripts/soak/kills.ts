import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { meetingPlace } from '../../examples/two-apis/demo/broker.ts'
import { killsOf } from '../../examples/two-apis/kills/run.ts'

export interface KillsSoakOptions {
  /** On this broker, started for it unless one is at its usual port. Default: the embedded one. */
  readonly broker?: string | undefined
  readonly seeds: readonly number[]
  /** Of each seed. */
  readonly kills: number
  /** Told of each seed when it is over. */
  readonly onLine: (line: KillsLine) => void
}

export interface KillsLine {
  readonly text: string
  readonly failed: boolean
}

/** The example's processes, killed while customers use them. Whatever goes wrong is kept in a folder that the line names. */
export async function killsOn({ broker = 'sqlite', seeds, kills, onLine }: KillsSoakOptions): Promise<readonly KillsLine[]> {
  const lines: KillsLine[] = []
  for (const seed of seeds) {
    const folder = await mkdtemp(join(tmpdir(), 'two-apis-kills-'))
    const line = await lineOf({ broker, seed, kills, folder })
    if (!line.failed) await rm(folder, { recursive: true, force: true })
    lines.push(line)
    onLine(line)
  }
  return lines
}

async function lineOf({
  broker,
  seed,
  kills,
  folder,
}: {
  broker: string
  seed: number
  kills: number
  folder: string
}): Promise<KillsLine> {
  const place = await meetingPlace({ ...process.env, MESSAGING_BROKER: broker, SQLITE_PATH: '' }, folder, console.log)
  try {
    const { wrong, summary } = await killsOf({ seed, kills, env: place.env, folder })
    if (wrong.length === 0) return { text: `ok     ${summary}`, failed: false }
    return { text: [`FAILED ${summary}; see ${folder}`, ...wrong].join('\n  '), failed: true }
  } catch (error) {
    return { text: `FAILED seed ${seed}: ${error instanceof Error ? error.message : String(error)}; see ${folder}`, failed: true }
  } finally {
    await place.end()
  }
}
