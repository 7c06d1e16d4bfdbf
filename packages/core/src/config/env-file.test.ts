import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from './config.ts'
import type { MessagingOptions } from './messaging-options.ts'

function project(lines: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-env-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'package.json'), '{ "name": "orders-api" }')
  if (lines !== '') writeFileSync(join(folder, '.env'), lines)
  mkdirSync(join(folder, 'src'))
  return folder
}

const REDIS = 'MESSAGING_BROKER=redis\nREDIS_URL=redis://:secret@cache:6379\n'

test.each<[string, string, Record<string, string>, MessagingOptions, RegExp | undefined]>([
  [
    'another broker, unread',
    REDIS,
    {},
    {},
    /\.env names redis at redis:\/\/.*cache:6379, and this process has not read it: start it with node --env-file/,
  ],
  [
    'another address, unread',
    REDIS,
    { MESSAGING_BROKER: 'redis', REDIS_URL: 'redis://other:6379' },
    {},
    /and the environment overrules it$/,
  ],
  ['another broker, overruled', REDIS, { MESSAGING_BROKER: 'kafka' }, {}, /names redis .*, and the environment overrules it$/],
  ['the same, read', REDIS, { MESSAGING_BROKER: 'redis', REDIS_URL: 'redis://:secret@cache:6379' }, {}, undefined],
  [
    'the same, read, with a user beside it',
    `${REDIS}MESSAGING_USERNAME=ana\nMESSAGING_PASSWORD=secret\n`.replace(':secret@', ''),
    { MESSAGING_BROKER: 'redis', REDIS_URL: 'redis://cache:6379', MESSAGING_USERNAME: 'ana', MESSAGING_PASSWORD: 'secret' },
    {},
    undefined,
  ],
  ['another, where the code names its own', REDIS, {}, { broker: 'memory' }, undefined],
  ['nothing of a broker', 'LOG_LEVEL=debug\n', {}, {}, undefined],
  ['nothing: there is none', '', {}, {}, undefined],
])('a .env that names %s', (_, lines, env, options, says) => {
  const cwd = join(project(lines), 'src')
  const { instead } = readConfig(options, { env, cwd })
  if (says === undefined) expect(instead).toBeUndefined()
  else expect(instead).toMatch(says)
  expect(instead ?? '').not.toContain('secret')
})
