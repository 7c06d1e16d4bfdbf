import { join } from 'node:path'
import type { Line, SoakOptions } from './chaos.ts'

const LIBRARIES = join(import.meta.dirname, '../../packages/sql/libraries')

/** What is loaded of packages/sql/libraries: it imports database libraries, which are installed first. */
interface Loaded {
  readonly install: () => Promise<boolean>
  readonly sqlChaos: (options: SoakOptions) => Promise<readonly Line[]>
}

/** Outbox and inbox on every database with every broker, and with each safeguard taken out. */
export async function sqlChaosOn(options: SoakOptions): Promise<readonly Line[]> {
  const { install }: Pick<Loaded, 'install'> = await import(join(LIBRARIES, 'setup.ts'))
  if (!(await install())) throw new Error('the database libraries could not be installed')
  const { sqlChaos }: Pick<Loaded, 'sqlChaos'> = await import(join(LIBRARIES, 'chaos/soak.ts'))
  return sqlChaos(options)
}
