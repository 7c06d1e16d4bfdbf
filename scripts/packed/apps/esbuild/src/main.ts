import { close, publishEvent, start } from '@corebus/core'
import { handled, UserCreated } from './handlers.ts'

async function main(): Promise<void> {
  await start()
  await publishEvent(UserCreated, { id: 7 })
  while (handled.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  await close()
}

main().catch((error) => {
  console.error(`${error.code}: ${error.message}`)
  process.exit(1)
})
