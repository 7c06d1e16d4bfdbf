import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { confirm } from './confirm.ts'

function terminal(answer: string): { input: PassThrough & { isTTY: boolean }; output: PassThrough } {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  input.end(answer)
  return { input, output: new PassThrough() }
}

test('asks at a terminal, and goes on for y or yes alone', async () => {
  for (const answer of ['y\n', 'YES\n']) {
    const { input, output } = terminal(answer)
    await confirm('2 would go', { yes: false, input, output })
    expect(String(output.read())).toBe('2 would go. Go on? [y/N] ')
  }
  for (const answer of ['n\n', '\n', 'yess\n', ''])
    await expect(confirm('2 would go', { yes: false, ...terminal(answer) })).rejects.toMatchObject({ code: 'CANCELLED' })
})

test('elsewhere wants --yes', async () => {
  const input = new PassThrough()
  await expect(confirm('2 would go', { yes: false, input })).rejects.toMatchObject({
    code: 'USAGE',
    message: '2 would go. Say --yes to do it',
  })
  await confirm('2 would go', { yes: true, input })
})
