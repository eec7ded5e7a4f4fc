/** Turns what Redis answers to a write call into the errors that callers get. */
import { tooMuchWaiting } from '../change/size.js'
import {
  BacklogFullError,
  InvalidInputError,
  OutcomeUnknownError,
  RedisFullError,
  UnavailableError,
  unreadableError,
  WriteBehindError,
} from '../errors.js'
import { NoAnswer } from '../redis/failed-call.js'
import { isRefusedUnread, isReply, named, RedisRefusal } from '../redis/refusal.js'
import type { Refusal, WriteLimits } from '../redis/replies.js'

/** The error for a single operation that write.lua has refused. */
export function refusalError(model: string, { maxDirty, maxBytes }: WriteLimits, refusal: Refusal, key: string): WriteBehindError {
  if (refusal === 'backlog') return new BacklogFullError(model, key, maxDirty)
  if (refusal === 'unreadable') return unreadableError(model, key)
  if (refusal === 'size') return new InvalidInputError(model, undefined, ...tooMuchWaiting(maxBytes))
  return new InvalidInputError(model, undefined, 'pending increments of a record within 64 bits', 'a sum outside them')
}

/** The error for all operations of a call that has failed. Only a call that Redis cannot have begun is known to have stored nothing. */
export function toWriteError(model: string, error: unknown): WriteBehindError {
  if (error instanceof WriteBehindError) return error
  const cause = named(error)
  if (isReply(error) && error.message.startsWith('OOM')) return new RedisFullError(model, cause)
  const isUnsent = error instanceof NoAnswer ? !error.sent : isRefusedUnread(error)
  return isUnsent ? new UnavailableError(model, cause) : new OutcomeUnknownError(model, cause)
}

/** Whether a command within the script has failed. The commands before it may have been carried out. */
export function hasStopped(error: unknown): boolean {
  const reply = error instanceof NoAnswer ? error.cause : error
  return reply instanceof RedisRefusal ? !reply.isUnread : isReply(reply) && !isRefusedUnread(reply)
}
