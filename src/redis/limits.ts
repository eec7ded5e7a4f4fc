/** Limits of one call to a script, for all keys and models. */

/** The highest number of arguments of one call. Redis takes about a million, and Node can spread about 120,000 into a call. */
const MAX_ARGUMENTS = 50_000
/** The highest number of records of one call. It limits how long one script blocks Redis. */
const MAX_RECORDS = 1000
/** @param width arguments for each record */
export function recordsInACall(width: number): number {
  return Math.max(1, Math.min(MAX_RECORDS, Math.floor(MAX_ARGUMENTS / width)))
}
