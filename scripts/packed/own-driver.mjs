import { createMessaging } from '@corebus/core'

/** Somebody else's, as far as the suite knows. */
export async function driver({ url, service }) {
  const inner = createMessaging({ broker: 'sqlite', url, service, logLevel: 'silent' })
  const { connect: _, close: __, ...sqlite } = await inner.driver()
  return { ...sqlite, name: 'theirs', connect: async (listener) => listener({ kind: 'connected' }), close: () => inner.close() }
}
