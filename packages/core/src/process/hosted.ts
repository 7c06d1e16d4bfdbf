/** Global, because the command and the entry that it loads may have a copy of this package each. */
const HOSTED = Symbol.for('corebus.hosted')

/** This process loads an entry and starts its handlers: the command says so before it loads it. */
export function becomeHost(): void {
  Object.assign(globalThis, { [HOSTED]: true })
}

export function isHosted(): boolean {
  return (globalThis as { readonly [HOSTED]?: true })[HOSTED] === true
}
