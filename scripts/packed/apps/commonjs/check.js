const { deepStrictEqual } = require('node:assert')
const { execFileSync } = require('node:child_process')

const node = (...args) => execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const tsc = (compiler, project) => process.stdout.write(node(`node_modules/${compiler}/bin/tsc`, '-p', project))

for (const [compiler, project, out] of [
  ['typescript', 'tsconfig.json', 'node16'],
  ['typescript-7', 'tsconfig.json', 'node16'],
  ['typescript', 'tsconfig.commonjs.json', 'commonjs'],
]) {
  tsc(compiler, project)
  deepStrictEqual(node(`out/${out}/main.js`), 'class 7 1,function 7 function function\n')
}
deepStrictEqual(node('plain.js'), 'welcome 7\n')
console.log('ok')
