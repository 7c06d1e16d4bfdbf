import { runListOn } from '../fixtures/list.ts'
import { targetOn } from './fixtures/target.ts'

await runListOn('redis', targetOn)
