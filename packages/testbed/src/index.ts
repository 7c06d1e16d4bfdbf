export { type Broker, type BrokerOptions, broker } from './broker.ts'
export { freePort } from './port.ts'
export { type ChaosProxy, chaosProxy, type Direction } from './proxy.ts'
export { type Rabbitmq, type RabbitmqOptions, startRabbitmq } from './rabbitmq.ts'
