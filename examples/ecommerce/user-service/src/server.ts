import { serve, serviceApp } from '@ecommerce/platform'
import { settings } from './database.ts'
import { userRoutes } from './http/user-routes.ts'
import { messaging } from './messaging.ts'

const app = serviceApp('user-service', messaging)
userRoutes(app)
serve(app, settings, messaging)
