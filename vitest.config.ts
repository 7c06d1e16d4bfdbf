import { transform } from 'esbuild'
import { defineConfig } from 'vitest/config'

// Vite 8 compiles legacy decorators only; standard ones reach Node as a SyntaxError. esbuild compiles both.
const standardDecorators = {
  name: 'standard-decorators',
  enforce: 'pre' as const,
  async transform(code: string, id: string) {
    if (!/\.standard\.test(-fixture)?\.ts$/.test(id)) return undefined
    const tsconfigRaw = { compilerOptions: { experimentalDecorators: false, target: 'es2022' } }
    const { code: out, map } = await transform(code, { loader: 'ts', sourcefile: id, sourcemap: true, target: 'es2022', tsconfigRaw })
    return { code: out, map }
  },
}

const shared = { testTimeout: 30_000, hookTimeout: 30_000 }

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [standardDecorators],
        test: {
          ...shared,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: ['**/*.broker.test.ts', '**/layers.test.ts', '**/node_modules/**', '**/dist/**', 'packages/bench/**'],
        },
      },
      { test: { ...shared, name: 'layers', include: ['packages/core/test/layers.test.ts'] } },
    ],
  },
})
