import { expect, test } from 'vitest'
import { PRODUTOS, produto, side } from '../fixtures/catalog.ts'
import { type Master, master } from './master.ts'
import { replication } from './replication.ts'

const INSERT = "INSERT INTO produtos (sku, nome, preco, estoque) VALUES (12345, 'Notebook', 3500.00, 10)"

test('a change is recorded with its whole row and the next revision, whatever the statement was', async () => {
  const Produto = produto()
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const run = (sql: string) => write((db) => cqrs.track(db, Produto, 12345, () => db.exec(sql)))
  await run(INSERT)
  await run('UPDATE produtos SET estoque = estoque - 1')
  await run('DELETE FROM produtos')
  await run(INSERT)
  const row = { sku: 12345, nome: 'Notebook', preco: '3500.00', estoque: 10 }
  const common = { v: 1, master: 'produto', key: '12345', updated: expect.stringMatching(/^\d{4}-.*Z$/) }
  expect(outbox.changes).toEqual([
    { ...common, kind: 'save', revision: 1, row },
    { ...common, kind: 'save', revision: 2, row: { ...row, estoque: 9 } },
    { ...common, kind: 'delete', revision: 3, row: null },
    { ...common, kind: 'save', revision: 4, row },
  ])
})

test('a transaction that is rolled back leaves no revision, and what stands beside it in the session commits with the change', async () => {
  const Produto = produto()
  const { cqrs, outbox, write, rows } = await side([Produto], PRODUTOS)
  const failing = write(async (db) => {
    await cqrs.track(db, Produto, 12345, () => db.exec(INSERT))
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect([outbox.changes, rows('SELECT * FROM cqrs_masters')]).toEqual([[], []])
  await write((db) => cqrs.track(db, Produto, 12345, () => db.exec(INSERT)))
  expect(outbox.changes.map(({ revision }) => revision)).toEqual([1])
})

test('many keys at once are a change each, in bulk, also more than one statement takes', async () => {
  const Produto = produto()
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const keys = Array.from({ length: 1_200 }, (_, n) => n + 1)
  const insert = `INSERT INTO produtos (sku, nome, preco) VALUES ${keys.map((sku) => `(${sku}, 'n${sku}', 1)`).join(', ')}`
  const result = await write((db) =>
    cqrs.track(db, Produto, [...keys, 1, 2], () => {
      db.exec(insert)
      return 'done'
    }),
  )
  expect([result, outbox.changes.length, new Set(outbox.changes.map(({ key }) => key)).size]).toEqual(['done', 1_200, 1_200])
  await write((db) => cqrs.track(db, Produto, keys, () => db.exec('DELETE FROM produtos WHERE sku > 600')))
  expect(outbox.changes.slice(1_200).filter(({ kind }) => kind === 'delete')).toHaveLength(600)
})

test('keys that the database gives are known behind the insert', async () => {
  const Produto = produto()
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const insert = "INSERT INTO produtos (nome, preco) VALUES ('n', 1)"
  const sku = await write((db) =>
    cqrs.track(
      db,
      Produto,
      (made: number) => made,
      () => Number(db.prepare(insert).run().lastInsertRowid),
    ),
  )
  expect(outbox.changes).toMatchObject([{ key: String(sku), revision: 1, kind: 'save' }])
})

test('values travel as what they are: decimals as text with their scale, truths, JSON, integers beyond 2^53', async () => {
  const Produto = master('produto', { table: 'produtos', key: 'sku' })
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const insert = (sku: string, rest: string) => `INSERT INTO produtos VALUES (${sku}, 'ñ', ${rest})`
  for (const [sku, rest] of [
    ['1', '3500, 0, 1, \'{"a": [1]}\''],
    ['2', '0.1 + 0.2, -5, 0, NULL'],
    ['9007199254740993', "'12345678.90', 1, NULL, 'null'"],
  ] as const)
    await write((db) => cqrs.track(db, Produto, BigInt(sku), () => db.exec(insert(sku, rest))))
  expect(outbox.changes.map(({ row }) => row)).toEqual([
    { sku: 1, nome: 'ñ', preco: '3500.00', estoque: 0, ativo: true, dados: { a: [1] } },
    { sku: 2, nome: 'ñ', preco: '0.30', estoque: -5, ativo: false, dados: null },
    { sku: '9007199254740993', nome: 'ñ', preco: '12345678.90', estoque: 1, ativo: null, dados: null },
  ])
  const broken = write((db) => cqrs.track(db, Produto, 3, () => db.exec(insert('3', '0.125, 0, 0, NULL'))))
  await expect(broken).rejects.toMatchObject({ code: 'MASTER_FIELD', message: expect.stringContaining('preco') })
})

test('tracked fields travel with the values that a change has altered, and meta with each change', async () => {
  const Produto = produto({ tracked: ['preco', 'estoque'], meta: ({ revision }) => ({ by: 'api', revision }) })
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const run = (sql: string, options = {}) => write((db) => cqrs.track(db, Produto, 12345, () => db.exec(sql), options))
  await run(INSERT)
  await run('UPDATE produtos SET preco = 3400')
  await run("UPDATE produtos SET nome = 'PC'", { meta: 'import' })
  await run('DELETE FROM produtos')
  expect(outbox.changes.map(({ previous, meta }) => [previous, meta])).toEqual([
    [undefined, { by: 'api', revision: 1 }],
    [{ preco: '3500.00' }, { by: 'api', revision: 2 }],
    [undefined, 'import'],
    [
      { preco: '3400.00', estoque: 10 },
      { by: 'api', revision: 4 },
    ],
  ])
})

test('a row that is skipped is not told of, and one that becomes so is deleted from replicas', async () => {
  const Produto = produto({ skip: ({ estoque }) => estoque === 0 })
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  const run = (sql: string) => write((db) => cqrs.track(db, Produto, 1, () => db.exec(sql)))
  await run("INSERT INTO produtos (sku, nome, preco, estoque) VALUES (1, 'n', 1, 0)")
  await run('UPDATE produtos SET estoque = 5')
  await run('UPDATE produtos SET estoque = 0')
  await run('DELETE FROM produtos')
  expect(outbox.changes.map(({ kind, revision }) => [kind, revision])).toEqual([
    ['save', 2],
    ['delete', 3],
  ])
})

test('a serialiser makes what travels, and may read more in the transaction', async () => {
  const Produto = produto({
    async serialize({ sku, nome }, tx) {
      const { rows } = await tx.query('SELECT count(*) AS n FROM produtos')
      return { sku, titulo: `${nome}!`, total: Number(rows[0]?.n) }
    },
  })
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  await write((db) => cqrs.track(db, Produto, 12345, () => db.exec(INSERT)))
  expect(outbox.changes[0]?.row).toEqual({ sku: 12345, titulo: 'Notebook!', total: 1 })
  const Broken = produto({ serialize: () => ({ sku: 1, size: Number.NaN }) })
  const broken = await side([Broken], PRODUTOS)
  await expect(broken.write((db) => broken.cqrs.track(db, Broken, 12345, () => db.exec(INSERT)))).rejects.toMatchObject({
    code: 'MASTER_FIELD',
    message: expect.stringContaining('size'),
  })
})

test('a key that changes is a delete and a new row where both keys are tracked', async () => {
  const Produto = produto()
  const { cqrs, outbox, write } = await side([Produto], PRODUTOS)
  await write((db) => cqrs.track(db, Produto, 12345, () => db.exec(INSERT)))
  await write((db) => cqrs.track(db, Produto, [12345, 2], () => db.exec('UPDATE produtos SET sku = 2')))
  expect(outbox.changes.slice(1).map(({ kind, key }) => [kind, key])).toEqual([
    ['delete', '12345'],
    ['save', '2'],
  ])
})

test('a key that the database takes for another one is refused, and so is what can be no key', async () => {
  const Tag = master('tag', { table: 'tags', key: 'name' })
  const { cqrs, write } = await side([Tag], "CREATE TABLE tags (name TEXT PRIMARY KEY COLLATE NOCASE); INSERT INTO tags VALUES ('Ada')")
  const track = (key: never) => write((db) => cqrs.track(db, Tag, key, () => undefined))
  await expect(track('ada' as never)).rejects.toMatchObject({ code: 'REPLICATION_KEY', message: expect.stringContaining('"Ada"') })
  for (const key of ['', null, undefined, 1.5, Number.NaN, 'x'.repeat(256), 'a\0b', {}])
    await expect(track(key as never)).rejects.toMatchObject({ code: 'REPLICATION_KEY' })
  await track('Ada' as never)
})

test('a master that does not fit its table is refused before anything is handled', async () => {
  const refused = async (one: Master, ...ddl: string[]) => {
    const { cqrs } = await side([one], ...ddl)
    return cqrs.check().then(
      () => 'fine',
      (thrown: Error) => thrown.message,
    )
  }
  expect(await refused(produto({ table: 'produto' }), PRODUTOS)).toContain('says table produto')
  expect(await refused(produto({ key: 'id' }), PRODUTOS)).toContain('has the key id')
  expect(await refused(produto({ key: 'preco' }), PRODUTOS)).toContain('a key is an integer, a text or a uuid')
  expect(await refused(produto({ fields: ['sku', 'none'] }), PRODUTOS)).toContain('names none')
  expect(await refused(produto({ fields: ['foto'] }), 'CREATE TABLE produtos (sku INTEGER PRIMARY KEY, foto BLOB)')).toContain(
    'bytes do not travel',
  )
  expect(await refused(produto(), PRODUTOS)).toBe('fine')
})

test('mistakes in the definition of masters are errors where they are made', async () => {
  const { messaging, cqrs, write } = await side([produto()], PRODUTOS)
  const thrown = (make: () => unknown) => {
    try {
      make()
      return 'nothing'
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`
    }
  }
  expect(thrown(() => master('produto', { table: 'produtos' } as never))).toMatch(/^REPLICATION .*has no key/)
  expect(thrown(() => master('produto', { key: 'sku' } as never))).toMatch(/^REPLICATION .*name of its table/)
  expect(thrown(() => master('1', { table: 'produtos', key: 'sku' }))).toMatch(/^REPLICATION .*named "1"/)
  expect(thrown(() => produto({ tracked: ['cor'] }))).toMatch(/^REPLICATION .*tracks cor/)
  expect(thrown(() => produto({ serialise: 1 } as never))).toMatch(/^OPTION .*serialize/)
  expect(thrown(() => replication(messaging, [produto()]))).toMatch(/^REPLICATION there are two masters produto/)
  expect(thrown(() => replication(messaging, [{}] as never))).toMatch(/^REPLICATION .*needs an array/)
  await expect(write((db) => cqrs.track(db, produto(), 1, () => undefined))).rejects.toMatchObject({ code: 'REPLICATION' })
})
