// Evaluated before every other module of the package, so that an older Node meets one line and not a SyntaxError of something newer. It is thrown
// and not said on the way out: whoever only imports the package does not end by it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 13))
  throw new Error(`Corebus needs Node 22.13 or later; this is Node ${process.versions.node}. Install a current one from https://nodejs.org`)
