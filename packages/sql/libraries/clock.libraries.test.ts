import type { RowDataPacket } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { NOW } from '../src/database/statements.ts'

const { mariadb: url } = inject('servers')
const installed = inject('librariesInstalled')

describe.skipIf(!installed || !url)('the clock of MariaDB', () => {
  test('goes on where a time zone puts its own clock back', async () => {
    const { default: mysql } = await import('mysql2/promise')
    const connection = await mysql.createConnection(url ?? '')
    onTestFinished(() => connection.end())
    const backAt = 1_792_890_000
    const id = 90_000 + (process.pid % 10_000)
    const zone = `Test/Zone${id}`
    // Two hours before UTC, and one from then on: an hour of its clock comes twice.
    await connection.query(`INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (${id}, 'N')`)
    await connection.query(`INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('${zone}', ${id})`)
    await connection.query(
      `INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, \`Offset\`, Is_DST, Abbreviation) VALUES (${id}, 0, 7200, 1, 'SUM'), (${id}, 1, 3600, 0, 'WIN')`,
    )
    await connection.query(
      `INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES (${id}, 1000000, 0), (${id}, ${backAt}, 1)`,
    )
    await connection.query(`SET time_zone = '${zone}'`)
    const real = async () => Number((await connection.query<RowDataPacket[]>(`SELECT ${NOW.mysql} AS at`))[0][0]?.at)
    const before = Date.now()
    expect(await real()).toBeGreaterThanOrEqual(before - 1_000)
    // The time of NOW can be set, and that of SYSDATE cannot.
    const at = `SELECT ${NOW.mysql.replaceAll('SYSDATE', 'NOW')} AS at`
    for (const seconds of [-3_600, -1_800, -1, 0, 1_800, 3_599, 3_600]) {
      await connection.query(`SET timestamp = ${backAt + seconds}.25`)
      const [[row]] = await connection.query<RowDataPacket[]>(at)
      expect(Number(row?.at)).toBe((backAt + seconds) * 1_000 + 250)
    }
  })
})
