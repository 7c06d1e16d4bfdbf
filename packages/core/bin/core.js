#!/usr/bin/env node
// Nothing is imported before the version is known: an older Node would answer with an error about something newer.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `Corebus needs Node 22.13 or later; this is Node ${process.versions.node}. Install a current one from https://nodejs.org\n`,
  )
  process.exit(1)
}

// What was compiled once is read the next time: of this command, of the handlers that it loads, and of the processes that it starts. Where nothing
// may be written, or NODE_DISABLE_COMPILE_CACHE is set, nothing is kept and nothing is said. Coverage is less precise with it.
if (process.env.NODE_V8_COVERAGE === undefined) process.getBuiltinModule('node:module').enableCompileCache()

// What cannot be imported is told by Node.
void import('../dist/cli/main.js').then(({ main }) => main())
