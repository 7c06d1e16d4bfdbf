import { transform } from 'esbuild'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// The file's name says which decorators it is written with, whatever the nearest tsconfig says; the two APIs and the e-commerce system are written with
// standard ones. Vite 8 compiles none of those; esbuild compiles both.
const decorators = {
  name: 'decorators',
  enforce: 'pre' as const,
  async transform(code: string, id: string) {
    const mode =
      /\.(standard|legacy)\.test(-fixture)?\.ts$/.exec(id)?.[1] ??
      (/\/examples\/(two-apis|ecommerce)\/.*\.ts$/.test(id) ? 'standard' : undefined)
    if (!mode) return undefined
    const tsconfigRaw = { compilerOptions: { experimentalDecorators: mode === 'legacy', target: 'es2022' } }
    const { code: out, map } = await transform(code, { loader: 'ts', sourcefile: id, sourcemap: true, target: 'es2022', tsconfigRaw })
    return { code: out, map }
  },
}

/** As in testing/conformance/patience.ts: `npm run soak -- load` asks for more. */
const patience = Number(process.env.COREBUS_PATIENCE) || 1
const shared = { testTimeout: 30_000 * patience, hookTimeout: 30_000 * patience, expect: { poll: { timeout: 1_000 * patience } } }

/** The longest first: begun last, each would be waited for alone. */
const LONGEST = ['kafka/kafka.broker', 'two-apis.broker', 'two-apis/kills', 'rabbitmq.broker', 'redis.broker', 'sqlite.conformance'].map(
  (name) => `/${name}.test.ts`,
)

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => LONGEST.findIndex((end) => moduleId.endsWith(end) && !moduleId.includes('/testbed/'))
    const first = files.filter((file) => place(file) >= 0).sort((a, b) => place(a) - place(b))
    return [...first, ...(await super.sort(files.filter((file) => place(file) < 0)))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        plugins: [decorators],
        test: {
          ...shared,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'examples/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: [
            '**/*.broker.test.ts',
            '**/layers.test.ts',
            '**/node_modules/**',
            '**/dist/**',
            'packages/bench/**',
            'scripts/packed/**',
            '**/*.peers.test.ts',
          ],
          maxWorkers: 2,
        },
      },
      { test: { ...shared, name: 'layers', include: ['packages/core/test/layers.test.ts'] } },
      // A real broker each, found or started by packages/testbed: two files at a time, since most of their time is waiting for a server.
      {
        test: {
          ...shared,
          name: 'broker',
          include: ['packages/*/src/**/*.broker.test.ts', 'examples/**/*.broker.test.ts', 'scripts/**/*.broker.test.ts'],
          maxWorkers: 2,
        },
      },
      // Services of other frameworks as processes of their own. All files share the brokers that its setup finds or starts.
      {
        test: {
          ...shared,
          testTimeout: 60_000 * patience,
          hookTimeout: 60_000 * patience,
          name: 'peers',
          include: ['packages/peers/src/**/*.peers.test.ts'],
          globalSetup: ['packages/peers/src/setup.ts'],
          maxWorkers: 2,
        },
      },
      // Database libraries, which its setup installs, each on each of its databases.
      {
        test: {
          ...shared,
          name: 'sql-libraries',
          include: ['packages/sql/libraries/*.libraries.test.ts'],
          globalSetup: ['packages/sql/libraries/setup.ts'],
          maxWorkers: 1,
        },
      },
      // Document stores and the journals of projections, on the servers that its setup finds or starts.
      {
        test: {
          ...shared,
          testTimeout: 120_000 * patience,
          name: 'cqrs-libraries',
          include: ['packages/cqrs/libraries/*.libraries.test.ts'],
          globalSetup: ['packages/cqrs/libraries/setup.ts'],
          maxWorkers: 1,
        },
      },
    ],
  },
})
