// The entry of `core consumer`: it only registers handlers.
import './messaging.ts'
import './handlers/user-activity.ts'
