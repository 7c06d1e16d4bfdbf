import { serve, serviceApp } from '@ecommerce/platform'
import { settings } from './database.ts'
import { productRoutes } from './http/product-routes.ts'
import { messaging } from './messaging.ts'

const app = serviceApp('product-service', messaging)
productRoutes(app)
serve(app, settings, messaging)
