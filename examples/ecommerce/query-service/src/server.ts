import { serve, serviceApp } from '@ecommerce/platform'
import { settings } from './database.ts'
import { queryRoutes } from './http/query-routes.ts'
import { messaging } from './messaging.ts'

const app = serviceApp('query-service', messaging)
queryRoutes(app)
serve(app, settings, messaging)
