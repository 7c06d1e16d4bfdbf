import type { ConformanceCase } from './case.ts'
import { consumeCases } from './consume.ts'
import { crashCases } from './crash.ts'
import { deadLetterCases } from './dead-letters.ts'
import { frozenCases } from './frozen.ts'
import { limitCases } from './limit.ts'
import { publishCases } from './publish.ts'
import { retryCases } from './retry.ts'
import { stopCases } from './stop.ts'

/** Every case, in the order of the page that describes them. Names are unique: exceptions and tables go by them. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...publishCases,
  ...consumeCases,
  ...limitCases,
  ...retryCases,
  ...deadLetterCases,
  ...stopCases,
  ...crashCases,
  ...frozenCases,
]
