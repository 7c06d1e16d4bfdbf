// Evaluated before every other module of the package, so that an older Node meets one line and not a SyntaxError of something newer.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `Corebus needs Node 22.13 or later; this is Node ${process.versions.node}. Install a current one from https://nodejs.org\n`,
  )
  process.exit(1)
}
