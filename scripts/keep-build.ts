// Keeps what is built now as "the build before", for the tests of upgrades and rolling deploys: done when a version is released.
// Usage: npm run keep-build, then put the new name into packages/testbed/src/earlier-build.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const { outputFiles } = await build({
  entryPoints: [join(root, 'packages/core/dist/index.js')],
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  write: false,
  // pino is loaded by `require`, when the first logger is made.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
})
const [bundle] = outputFiles
if (!bundle) throw new Error('nothing was built')
const name = `core-${new Date().toISOString().slice(0, 10)}.mjs.gz`
writeFileSync(join(root, 'packages/testbed/builds', name), gzipSync(bundle.contents, { level: 9 }))
console.log(`packages/testbed/builds/${name}`)
