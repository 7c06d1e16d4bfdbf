// The entry of `npx corebus consumer`: it only registers handlers.
import './messaging.ts'
import './handlers/order-events.ts'
import './handlers/order-feed.ts'
import './handlers/payments.ts'
import './handlers/inventory.ts'
