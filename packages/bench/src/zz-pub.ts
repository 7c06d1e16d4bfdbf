import { publishing } from '/work/main/packages/bench/src/corebus.ts'
import { barePublishing } from '/work/main/packages/bench/src/redis/bare.ts'
import { room } from '/work/main/packages/bench/src/redis/room.ts'
import { startRedis } from '@corebus/testbed'
const node = await startRedis()
const url = node.url
const load = { url, bytes: 200, count: 30000, inFlight: 256 }
for (let i = 0; i < 3; i++) for (const c of [publishing(room(url), load), barePublishing(load)]) {
  if (process.argv[2] && !c.name.startsWith(process.argv[2])) continue
  const before = process.cpuUsage()
  const ms = await c.run()
  const { user, system } = process.cpuUsage(before)
  console.log(c.name, Math.round(load.count / ms * 1000), 'us cpu/msg', ((user + system) / load.count).toFixed(1))
}
await node.stop()
process.exit(0)
