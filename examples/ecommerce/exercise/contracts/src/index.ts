// The contracts as they are once the exercise is done.
export * from '../../../contracts/src/index.ts'
// #region one-more-line
export { OrderShipped } from './order-shipped.ts'
// #endregion one-more-line
