import { serve, serviceApp } from '@ecommerce/platform'
import { settings } from './database.ts'
import { shipmentRoutes } from './http/shipment-routes.ts'
import { messaging } from './messaging.ts'

const app = serviceApp('shipping-service', messaging)
shipmentRoutes(app)
serve(app, settings, messaging)
