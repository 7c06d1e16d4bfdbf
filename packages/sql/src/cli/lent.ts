// The parts of this package that the commands of other packages of Corebus need: no promise is made about them.
export { told, withEntryOptions } from './parts.ts'
