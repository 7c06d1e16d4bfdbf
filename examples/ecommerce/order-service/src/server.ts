import { serve, serviceApp } from '@ecommerce/platform'
import { settings } from './database.ts'
import { orderRoutes } from './http/order-routes.ts'
import { messaging } from './messaging.ts'

const app = serviceApp('order-service', messaging)
orderRoutes(app)
serve(app, settings, messaging)
