/**
 * Modules of Node that are asked for when they are used: `import` makes a list of all that such a module exports, and loads parts of Node for it that nobody
 * here needs. That took longer than our own files.
 */
export const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto')
export const fs = (): typeof import('node:fs') => process.getBuiltinModule('node:fs')
export const util = (): typeof import('node:util') => process.getBuiltinModule('node:util')
