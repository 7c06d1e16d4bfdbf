// What the commands of other packages of Corebus need of this one: no promise is made about it.
export { told, withEntryOptions } from './parts.ts'
