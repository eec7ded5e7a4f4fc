/** Limits of one call to a script. They hold for all keys and models. */

/** Arguments of one call. Redis takes about a million, and Node can spread about 120,000 into a call. */
const MAX_ARGUMENTS = 50_000
/** Records of one call. This bounds how long one script holds up Redis. */
const MAX_RECORDS = 1000
/** @param width arguments for each record */
export function recordsInACall(width: number): number {
  return Math.max(1, Math.min(MAX_RECORDS, Math.floor(MAX_ARGUMENTS / width)))
}
