// #region app
import 'reflect-metadata'
import { configureMessaging } from '@corebus/core'
import { type INestApplicationContext, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common'
import { Cleanup, Sessions } from './cleanup'
import { Users } from './users'

let app: INestApplicationContext

export const messaging = configureMessaging({ service: 'users-api', resolve: (Class) => app.get(Class) })

@Injectable()
export class MessagingLife implements OnApplicationShutdown {
  onApplicationShutdown(): Promise<void> {
    return messaging.close()
  }
}

@Module({ controllers: [Users], providers: [Sessions, Cleanup, MessagingLife] })
export class AppModule {}

/** After the container is made, and before the first request. */
export async function startMessaging(made: INestApplicationContext): Promise<void> {
  app = made
  app.enableShutdownHooks()
  await messaging.start()
}
// #endregion app
