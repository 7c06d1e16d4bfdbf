import { CorebusError } from '@corebus/core'

/** A transaction that refuses everything once it is over. */
export interface Guarded<Tx> {
  readonly tx: Tx
  end(): void
}

/**
 * Stands for the transaction of a library that goes on after its end. What a handler left running and did not wait for would be committed by itself,
 * or become part of the transaction that somebody else has on that connection by then.
 */
export function guarded<Tx extends object>(tx: Tx, name: string): Guarded<Tx> {
  let over = false
  const refuse = (): void => {
    if (!over) return
    throw new CorebusError(
      'TX_OVER',
      `the session of ${name} is over: wait inside of it for everything that uses its transaction, since what is written later would not be part of it`,
    )
  }
  const proxy: Tx = new Proxy(tx, {
    apply(target, self, args) {
      refuse()
      return Reflect.apply(target as () => unknown, self, args)
    },
    get(target, key) {
      // Who looks at it, or awaits it, does not use it.
      if (typeof key === 'symbol' || key === 'then') return Reflect.get(target, key, target)
      refuse()
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function' || key === 'constructor') return value
      return (...args: readonly unknown[]): unknown => {
        refuse()
        const result: unknown = Reflect.apply(value, target, args)
        return result === target ? proxy : result
      }
    },
  })
  return {
    tx: proxy,
    end() {
      over = true
    },
  }
}
