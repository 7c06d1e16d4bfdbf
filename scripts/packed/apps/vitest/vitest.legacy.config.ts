import { defineConfig } from 'vitest/config'

// With `experimentalDecorators` in tsconfig.json this file need not be there: Vite compiles those by itself.
export default defineConfig({ oxc: { decorator: { legacy: true } } })
