const SEED = 0x9747b28c
const M = 0x5bd1e995

/** The same partition for a key as Java's client and librdkafka's murmur2_random. (kafkajs's does it with 64-bit objects for each four bytes.) */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

function murmur2(key: Buffer): number {
  let hash = SEED ^ key.length
  const whole = key.length & ~3
  for (let at = 0; at < whole; at += 4) hash = Math.imul(hash, M) ^ mixed(key.readInt32LE(at))
  const rest = key.length - whole
  if (rest > 0) {
    for (let n = 0; n < rest; n++) hash ^= (key[whole + n] as number) << (8 * n)
    hash = Math.imul(hash, M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}

function mixed(four: number): number {
  const k = Math.imul(four, M)
  return Math.imul(k ^ (k >>> 24), M)
}
