import { transform } from 'esbuild'
import { defineConfig } from 'vitest/config'

// Vite compiles no standard decorators, so they reach Node as a syntax error. esbuild compiles them.
const decorators = {
  name: 'decorators',
  enforce: 'pre' as const,
  async transform(code: string, id: string) {
    if (!/\.ts(\?|$)/.test(id) || id.includes('/node_modules/')) return undefined
    const tsconfigRaw = { compilerOptions: { experimentalDecorators: false } }
    return transform(code, { loader: 'ts', sourcefile: id, sourcemap: true, target: 'es2022', tsconfigRaw })
  },
}

export default defineConfig({ plugins: [decorators] })
