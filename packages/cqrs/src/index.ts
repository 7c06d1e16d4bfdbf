export type { At, DocumentId, Page, Reads, Stored, Writes } from './documents/access.ts'
export { type Collection, type CollectionOptions, collection, type FieldType, type Shape } from './documents/collection.ts'
export { type MongoCollection, type MongoDb, mongoDocuments } from './documents/mongo.ts'
export type { Condition, Filter, Operator, Order, Plan, Query, Test, Value } from './documents/query.ts'
export { sqlDocuments } from './documents/sql.ts'
export type { Change, Fields, State } from './documents/state.ts'
export type { DocumentStore, Documents, Found, Place } from './documents/store.ts'
export {
  type Collections,
  type DocumentOf,
  type Projection,
  type ProjectionContext,
  type ProjectionOptions,
  projection,
  type WritesOf,
} from './projection/projection.ts'
export { type Projections, type ProjectionsOptions, projections, type ReadsOf } from './projection/projections.ts'
export type { Progress, RebuildOptions, Rebuilt } from './projection/rebuild.ts'
export type { RowChange } from './replication/change.ts'
export type { OnClass } from './replication/decorated.ts'
export type { Key } from './replication/keys.ts'
export { type Master, type MasterOptions, master } from './replication/master.ts'
export { type Applied, type Replica, type ReplicaContext, type ReplicaOptions, replica } from './replication/replica.ts'
export { type Replication, type ReplicationOptions, replication } from './replication/replication.ts'
export type { Row } from './replication/rows.ts'
export type { Keys, TrackOptions } from './replication/track.ts'
