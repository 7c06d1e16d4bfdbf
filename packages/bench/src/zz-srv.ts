import { execSync } from 'node:child_process'
import { preloadTopic, messaging, using, GROUP } from './corebus.ts'
import { Order } from './payload.ts'
import { Handled } from './load.ts'
import { room as redisRoom, inStream, onClient } from './redis/room.ts'
import { preload, consumingByHand } from './redis/bare.ts'
import { startRedis } from '@corebus/testbed'
const node = await startRedis({ config: process.argv[2] === 'nofsync' ? ['appendfsync everysec'] : [] })
const cpu = () => { const s = node.cli('INFO', 'cpu'); const g = (k) => Number(new RegExp(k + ':([\\d.]+)').exec(s)[1]); return [g('used_cpu_user'), g('used_cpu_sys')] }
const room = redisRoom(node.url)
const load = { url: node.url, bytes: 200, count: 100000 }
const report = async (name, work) => {
  node.cli('CONFIG', 'RESETSTAT')
  const a = cpu(), b = process.cpuUsage(), t = performance.now()
  const ms = await work()
  const wall = performance.now() - t
  const c = cpu(), { user, system } = process.cpuUsage(b)
  console.log(name, Math.round(load.count / ms * 1000) + '/s', 'client us', ((user + system) / load.count).toFixed(1), 'server us', ((c[0] - a[0]) * 1e6 / load.count).toFixed(1), '+sys', ((c[1] - a[1]) * 1e6 / load.count).toFixed(1), 'wall us', (wall * 1000 / load.count).toFixed(1))
  console.log(node.cli('INFO', 'commandstats').split('\n').filter(l => /xread|xack|eval|claim|xpend|xtrim/.test(l)).map(l => l.slice(0, 90)).join('\n'))
}
for (let i = 0; i < 2; i++) {
 await room.inTopic(async (topic) => {
  await preloadTopic(room, topic, load)
  const handled = new Handled(load.count)
  await using(messaging(room), async (app) => {
    app.handle({ topic, group: GROUP, schema: Order }, ({ total }) => { if (total > 0) handled.one() })
    await report('corebus', async () => { await app.start(); return handled.all })
  })
 })
 await inStream(node.url, async (stream) => {
   await preload(load, stream)
   const handled = new Handled(load.count)
   await report('bare', async () => { const c = consumingByHand(node.url, stream, (b) => { const { total } = Order.parse(JSON.parse(b.toString())); if (total > 0) handled.one() }, handled.all); const ms = await handled.all; await c; return ms })
 })
}
await node.stop()
process.exit(0)
