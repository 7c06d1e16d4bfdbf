import { execSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { client } from '../../../examples/ecommerce/demo/client.ts'
import { bootSystem } from '../../../examples/ecommerce/demo/system.ts'
import { embedded } from '../../../examples/ecommerce/fixtures/folder.ts'
import { shop } from '../../../examples/ecommerce/fixtures/shop.ts'
const prof = process.argv[2]
const place = await embedded({ LOG_LEVEL: 'info', ...(prof && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${prof}` }) })
const system = await bootSystem({ env: place.env })
const on = shop(system); const user = await on.user(); const products = await Promise.all(Array.from({ length: 50 }, () => on.product(1_000_000)))
const ask = client(system)
const cpu = () => execSync(`ps -eo pid,cputimes,time,args | grep -E 'server.ts|core.js consumer' | grep -v grep || true`).toString()
const ticks = () => Object.fromEntries(execSync(`for p in $(pgrep -f 'server.ts|core.js consumer'); do echo $p $(cut -d' ' -f14,15 /proc/$p/stat) $(readlink /proc/$p/cwd) $(tr '\\0' ' ' < /proc/$p/cmdline | grep -c consumer); done`).toString().trim().split('\n').map(l => { const [p,u,s,cwd,c]=l.split(' '); return [p,{cpu:(+u!+ +s!)*10, name: cwd!.split('/').at(-1)+(c==='1'?' consumer':'')}] }))
const before = ticks(); const t = performance.now()
const N = 500
const posts: Promise<unknown>[] = []
let posted: number[] = []
for (let n = 0; n < N; n++) { const a=performance.now(); posts.push(ask('POST', '/api/v1/orders', { user_id: user, items: [{ product_id: products[n % 50], quantity: 1 }] }).then(()=>posted.push(performance.now()-a))); await sleep(20) }
await Promise.all(posts)
while ((await ask('GET', `/q/orders?status=RESERVED&after=${N-1}`)).body.items.length < 1) await sleep(10)
console.log('seconds', (performance.now() - t)/1000, 'post p50', posted.toSorted((a,b)=>a-b)[N/2], 'p99', posted.toSorted((a,b)=>a-b)[Math.floor(N*.99)])
const after = ticks()
let sum=0
for (const [p, a] of Object.entries(after)) { const d=(a as any).cpu-((before[p] as any)?.cpu??0); sum+=d; console.log((a as any).name, d, 'ms', (d/N).toFixed(2), 'ms/order') }
console.log('sum', sum/N)
await system.stop(); await place.remove(); process.exit()
