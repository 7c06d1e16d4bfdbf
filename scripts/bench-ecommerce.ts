// How many purchases a second the e-commerce example takes on this machine, and how far its read model is behind at fifty orders a second.
import { measured } from '../examples/ecommerce/load/measure.ts'

console.log(await measured())
