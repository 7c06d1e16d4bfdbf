import { DatabaseSync } from 'node:sqlite'

// Locks the file that it is given, says so, and keeps it locked until it is ended.
new DatabaseSync(String(process.argv[2])).exec('BEGIN IMMEDIATE')
process.send?.('locked')
setInterval(() => {}, 60_000)
