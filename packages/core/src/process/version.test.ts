import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot, packageVersion } from './version.ts'

test('the version is that of the package, and its folder is found', () => {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { name: string; version: string }
  expect(manifest).toMatchObject({ name: '@corebus/core', version: packageVersion })
})
