export type { CloseOptions, CloseReport, Drain, DrainOptions, DrainReport } from './close.js'
export { type Cache, createWriteBehind, type Policies, type Setup } from './create.js'
export type { SqlClient } from './database/database.js'
export {
  BacklogFullError,
  ClosedError,
  ConfigurationError,
  type ErrorCode,
  InvalidInputError,
  OutcomeUnknownError,
  ParkedError,
  PersistError,
  RedisFullError,
  TimeoutError,
  TransactionBlockedError,
  UnavailableError,
  UnsafeRedisError,
  WriteBehindError,
} from './errors.js'
export type {
  AdoptedEvent,
  BacklogEvent,
  EventMap,
  Events,
  FailureEvent,
  FlushedEvent,
  ParkedEvent,
  UnparkedEvent,
  WrittenEvent,
} from './events.js'
export type { Extension } from './extension/extension.js'
export type { FlushOptions } from './flush-options.js'
export type {
  Bounds,
  Create,
  Decimal,
  DeleteArgs,
  Described,
  FindManyArgs,
  FindUniqueArgs,
  Increments,
  Inserting,
  JsonValue,
  PendingRecord,
  Row,
  Select,
  Selected,
  Update,
  UpdateArgs,
  UpsertArgs,
  Values,
  Where,
} from './model/arguments.js'
export type { Field, FieldDefault, Ledger, Model, Models, Relation, Relations, ScalarType } from './model/model.js'
export type { ModelCache } from './model-cache.js'
export type { Options, Policy } from './options.js'
export { redact } from './redaction.js'
export { type Release, releaseNamespace } from './start/release.js'
export type { ModelStatus, ParkedRecord } from './status.js'
export type { WriteBehind } from './write-behind.js'
