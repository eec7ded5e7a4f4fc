/**
 * The positions of bytes in stored values. lua/include/format.lua has the same names for the scripts, and docs/format.md has the table. Positions count
 * from 0. A part ends before its `_END`.
 */

/** A packed change: when it is due (from 0), when it was first written, its state, the flag of its cached row, its extras, then its fields. */
export const DUE_END = 13
export const SINCE = 13
export const SINCE_END = 26
export const STATE = 26
export const FLAG = 27
export const EXTRAS = 28
/** The field `~` of a change that is a hash: state, flag, extras, and when it was first written (to the end). */
export const META_STATE = 0
export const META_FLAG = 1
export const META_EXTRAS = 2
export const META_SINCE = 3
