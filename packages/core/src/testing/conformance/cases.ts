import { buryCases } from './bury.ts'
import type { ConformanceCase } from './case.ts'
import { chaosCases } from './chaos.ts'
import { consumeCases } from './consume.ts'
import { crashCases } from './crash.ts'
import { deadLetterCases } from './dead-letters.ts'
import { frozenCases } from './frozen.ts'
import { heapCases } from './heap.ts'
import { hostileCases } from './hostile.ts'
import { letterPageCases } from './letter-pages.ts'
import { limitCases } from './limit.ts'
import { lookCases } from './looks.ts'
import { memberCases } from './members.ts'
import { networkCases } from './network.ts'
import { othersCases } from './others.ts'
import { outageCases } from './outages.ts'
import { poisonCases } from './poison.ts'
import { policyCases } from './policy.ts'
import { publishCases } from './publish.ts'
import { refusalCases } from './refusal.ts'
import { removeGroupCases } from './remove-group.ts'
import { replayCases } from './replay.ts'
import { retryCases } from './retry.ts'
import { shutdownCases } from './shutdown.ts'
import { sizeCases } from './sizes.ts'
import { stopCases } from './stop.ts'

/** Every case. Names are unique: exceptions and tables go by them. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...publishCases,
  ...sizeCases,
  ...consumeCases,
  ...limitCases,
  ...retryCases,
  ...policyCases,
  ...refusalCases,
  ...deadLetterCases,
  ...letterPageCases,
  ...replayCases,
  ...buryCases,
  ...removeGroupCases,
  ...lookCases,
  ...poisonCases,
  ...hostileCases,
  ...othersCases,
  ...memberCases,
  ...stopCases,
  ...shutdownCases,
  ...crashCases,
  ...frozenCases,
  ...networkCases,
  ...outageCases,
  ...chaosCases,
  ...heapCases,
]
