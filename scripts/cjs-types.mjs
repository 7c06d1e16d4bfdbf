// Before a package is packed: its types once more, for CommonJS projects. TypeScript takes a declaration for what the nearest package.json says,
// and refuses one of an ES module where a CommonJS file imports it, although Node loads it by require. Run in the package's folder.
import { cpSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const to = 'dist/cjs'
rmSync(to, { recursive: true, force: true })
const files = globSync('**/*.d.ts', { cwd: 'dist' })
for (const file of files) cpSync(join('dist', file), join(to, file))
writeFileSync(join(to, 'package.json'), '{ "type": "commonjs" }\n')
