import type { Command, Moment } from '@corebus/core/testing/conformance/process'

type Doom = Extract<Command, { do: 'die' }>
let doom: Doom | undefined

/** From now on this process is to die when it reaches that moment. */
export function expect(command: Doom): void {
  doom = command
}

/** Dies here if it was told to: some turns of the event loop later, so that every step of a settlement is hit in the end. */
export function reach(moment: Moment): void {
  if (doom?.when !== moment) return
  let { turns } = doom
  doom = undefined
  const step = () => (turns-- > 0 ? setImmediate(step) : process.kill(process.pid, 'SIGKILL'))
  step()
}
