import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Options with which Java takes Kafka's classes from an archive instead of reading, checking and linking each: a broker is up in less than half
 * the time. The archive lies beside the jars and is for this Java alone; `run` makes it, by running a broker from start to end.
 */
export async function archiveOptions(jars: string, run: (options: readonly string[]) => Promise<void>): Promise<readonly string[]> {
  const { stderr } = await promisify(execFile)('java', ['-version'])
  const version = /"([\w.+-]+)"/.exec(stderr)?.[1] ?? 'unknown'
  const archive = join(jars, `java-${version}.jsa`)
  const use = [`-XX:SharedArchiveFile=${archive}`]
  if (existsSync(archive)) return use
  // Made elsewhere and moved, so that nobody sees half of it.
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(jars, 'archive-'))
    const made = join(folder, 'kafka.jsa')
    await run([`-XX:ArchiveClassesAtExit=${made}`])
    renameSync(made, archive)
    return use
  } catch {
    return [] // a Java without such archives, or no right to put one there: it only takes longer
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}
