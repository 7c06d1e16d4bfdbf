import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { upgradesOn } from '../fixtures/upgrade/upgrade.ts'

const folder = mkdtempSync(join(tmpdir(), 'corebus-upgrade-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

upgradesOn({ broker: 'sqlite', url: join(folder, 'messages.db') })
