export const BROKERS = ['kafka', 'rabbitmq', 'redis', 'sqlite', 'memory'] as const
export type BrokerName = (typeof BROKERS)[number]
