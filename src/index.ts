export { type Cache, createWriteBehind, type Policies, type Setup } from './create.js'
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
export type { ModelCache } from './model-cache.js'
export type { Options, Policy } from './options.js'
export type { Create, Increments, PendingRecord, Row, Select, Update, Where } from './schema/arguments.js'
export type { Field, FieldDefault, Ledger, Model, Models, ScalarType } from './schema/model.js'
export type { CloseReport, FlushOptions, ModelStatus, ParkedRecord, WriteBehind } from './write-behind.js'
