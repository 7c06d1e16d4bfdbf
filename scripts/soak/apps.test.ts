import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { APPS } from '../apps.ts'
import { appsOn } from './apps.ts'

const FOLDER = join(import.meta.dirname, '..', 'packed', 'apps')

test('an app that is not there is refused, and those there are named', async () => {
  await expect(appsOn({ only: ['nosuch'], onLine: () => {} })).rejects.toThrow(/^no such app; there are: nest, .*bun$/)
})

test('every folder is an app with a script "check"; those of every push name exact versions, the others some that may grow', () => {
  expect(readdirSync(FOLDER).toSorted()).toEqual([...new Set(APPS.map(({ name, folder }) => folder ?? name))].toSorted())
  const quick = new Set(APPS.filter((app) => app.quick).map(({ name, folder }) => folder ?? name))
  for (const folder of readdirSync(FOLDER)) {
    const manifest = JSON.parse(readFileSync(join(FOLDER, folder, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
    expect([folder, typeof manifest.scripts?.check]).toEqual([folder, 'string'])
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([name]) => !name.startsWith('@corebus/'),
    )
    for (const [name, version] of versions)
      expect([folder, name, version]).toEqual([
        folder,
        name,
        expect.stringMatching(quick.has(folder) ? /^(npm:.*@)?\d/ : /^(npm:.*@)?\^\d/),
      ])
  }
})
