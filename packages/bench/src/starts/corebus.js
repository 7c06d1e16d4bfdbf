// JavaScript, as a compiled service is: from spawn to the first message handled.
import { createMessaging } from '@corebus/core'

const [url, topic, broker] = process.argv.slice(2)
const messaging = createMessaging({ broker, url, service: 'bench', env: { LOG_LEVEL: 'silent' } })
messaging.handle({ topic, group: 'bench' }, () => process.send('handled'))
process.once('message', () => messaging.close().then(() => process.disconnect()))
await messaging.start()
