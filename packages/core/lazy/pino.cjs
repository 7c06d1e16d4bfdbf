// The first logger is made in a call that answers at once, so pino cannot be awaited; and importing the package must not load it. `require` in a
// function does both. It stands in a file of CommonJS because bundlers see it only there: they leave out what `createRequire` loads.
exports.loadPino = () => require('pino')
