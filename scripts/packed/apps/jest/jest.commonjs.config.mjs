const jsc = { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform: { legacyDecorator: true } }

export default {
  testEnvironment: 'node',
  transform: { '^.+\\.[cm]?[jt]s$': ['@swc/jest', { jsc, module: { type: 'commonjs' } }] },
  // Corebus is made of ES modules, which Jest compiles like your own.
  transformIgnorePatterns: ['/node_modules/(?!(\\.pnpm/)?@corebus)'],
}
