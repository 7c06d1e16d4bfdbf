// The entry of `npx corebus consumer`: it only registers handlers.
import { keepViews } from './projection/views.ts'

keepViews()
