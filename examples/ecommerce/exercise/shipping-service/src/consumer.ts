// The entry of `npx corebus consumer`: it only registers handlers.
import './messaging.ts'
import './handlers/order-events.ts'
