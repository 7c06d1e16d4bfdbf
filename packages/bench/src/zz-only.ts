// profile only the consume phase
import { Session } from 'node:inspector/promises'
import { writeFileSync } from 'node:fs'
import { preloadTopic, messaging, using, GROUP } from '/work/main/packages/bench/src/corebus.ts'
import { Order } from '/work/main/packages/bench/src/payload.ts'
import { Handled } from '/work/main/packages/bench/src/load.ts'
import { room as redisRoom } from '/work/main/packages/bench/src/redis/room.ts'
import { room as kafkaRoom } from '/work/main/packages/bench/src/kafka/room.ts'
import { broker } from '@corebus/testbed'
const name = process.argv[2]
const node = await broker(name, { own: true })
const room = name === 'redis' ? redisRoom(node.url) : kafkaRoom({ url: node.url, partitions: 12 })
const load = { bytes: 200, count: Number(process.argv[3] ?? 100000) }
for (let i = 0; i < 2; i++) await room.inTopic(async (topic) => {
  await preloadTopic(room, topic, load)
  const handled = new Handled(load.count)
  await using(messaging(room), async (app) => {
    app.handle({ topic, group: GROUP, schema: Order }, ({ total }) => { if (total > 0) handled.one() })
    const s = new Session(); s.connect()
    if (i === 1) { await s.post('Profiler.enable'); await s.post('Profiler.setSamplingInterval', { interval: 200 }); await s.post('Profiler.start') }
    const before = process.cpuUsage()
    await app.start()
    const ms = await handled.all
    const { user, system } = process.cpuUsage(before)
    if (i === 1) { const { profile } = await s.post('Profiler.stop'); writeFileSync(`/tmp/prof/${name}.cpuprofile`, JSON.stringify(profile)) }
    console.log(name, Math.round(load.count / ms * 1000), 'us', ((user + system) / load.count).toFixed(1))
  })
})
await node.stop()
process.exit(0)
