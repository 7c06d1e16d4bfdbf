import { readFileSync } from 'node:fs'
import { getPrismaClient } from '@prisma/client/runtime/client'

type Provider = 'postgresql' | 'mysql' | 'sqlite'

interface PrismaTx {
  readonly orders: { create(row: { data: { id: number } }): Promise<unknown> }
}
export interface PrismaClient {
  $transaction<T>(work: (tx: PrismaTx) => Promise<T>): Promise<T>
  $disconnect(): Promise<void>
}

/**
 * What `prisma generate` writes into src/internal/class.ts for a schema whose only model is `orders { id Int @id }`, here as data: the command is 200 MB and
 * wants a program that is in no registry. After another version of @prisma/client: write such a schema, run
 * `PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx prisma generate`, and compare; prisma-graph.json is its `parameterizationSchema`.
 */
export function prismaClient(provider: Provider): new (options: { adapter: object }) => PrismaClient {
  const runtime = (name: string): Promise<unknown> => import(`@prisma/client/runtime/query_compiler_small_bg.${provider}.${name}`)
  const config = {
    previewFeatures: [],
    clientVersion: '7.10.0',
    engineVersion: 'd1b3f377ca835d73fd50954a5e22128b9ebdd6b8',
    activeProvider: provider,
    inlineSchema: `generator client {\n  provider = "prisma-client"\n  output = "."\n}\n\ndatasource db {\n  provider = "${provider}"\n}\n\nmodel orders {\n  id Int @id\n}\n`,
    runtimeDataModel: {
      models: { orders: { fields: [{ name: 'id', kind: 'scalar', type: 'Int' }], dbName: null, schema: null } },
      enums: {},
      types: {},
    },
    parameterizationSchema: JSON.parse(readFileSync(new URL('prisma-graph.json', import.meta.url), 'utf8')),
    compilerWasm: {
      getRuntime: () => runtime('mjs'),
      async getQueryCompilerWasmModule() {
        const { wasm } = (await runtime('wasm-base64.mjs')) as { wasm: string }
        return compiled(wasm)
      },
      importName: './query_compiler_small_bg.js',
    },
  }
  return getPrismaClient(config as never) as never // the generated file types it by its models
}

/** The types of Node have no WebAssembly. */
function compiled(base64: string): unknown {
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => unknown } }
  return new wasm.Module(Buffer.from(base64, 'base64'))
}
