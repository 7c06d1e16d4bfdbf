// #region require
const { configureMessaging, on, publishEvent } = require('@corebus/core')

const messaging = configureMessaging({ broker: 'memory', service: 'shop' })

on('user.created', { topic: 'users', group: 'mail' }, ({ data }) => {
  console.log(`welcome ${data.id}`)
  void messaging.close()
})

messaging.start().then(() => publishEvent('user.created', { id: 7 }, { topic: 'users' }))
// #endregion require
