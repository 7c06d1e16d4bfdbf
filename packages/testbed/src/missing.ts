export interface Missing {
  /** Throw, and do not go on without. Default: under CI=true. */
  readonly required?: boolean
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly say?: (line: string) => void
}

/** Something a test needs is not there, and `install` says what to do about it. @throws where it is required: a suite that skips itself proves nothing. */
export function missing(
  name: string,
  install: string,
  { env = process.env, required = env.CI === 'true', say = console.warn }: Missing = {},
): undefined {
  const line = `no ${name} here: ${install}`
  if (required) throw new Error(line)
  say(`skipped, ${line}`)
}
