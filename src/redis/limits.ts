/** What one call to a script may hold, whatever the keys and the fields of a model are. */

/** Arguments: Redis takes about a million of a command, and Node spreads about 120,000 into a call. */
const MAX_ARGUMENTS = 50_000
/** Records: it bounds how long one script holds Redis up. */
const MAX_RECORDS = 1000
/** @param width arguments that each record takes */
export function recordsInACall(width: number): number {
  return Math.max(1, Math.min(MAX_RECORDS, Math.floor(MAX_ARGUMENTS / width)))
}
