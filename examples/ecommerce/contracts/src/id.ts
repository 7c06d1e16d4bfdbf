import { z } from 'zod'

/** Ids are integers from 1, and never larger than a number can say exactly. */
export const Id = z.int().min(1)
