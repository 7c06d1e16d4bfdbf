/** How long, in the largest unit that says enough. */
export function age(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 2 * 3_600) return `${Math.round(seconds / 60)} min`
  if (seconds < 2 * 86_400) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
