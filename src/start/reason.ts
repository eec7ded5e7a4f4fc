/** Why the database does not answer at the start, or is refused, in words of ours: a message of another library may quote anything. */
import { toPersistError } from '../database/failure.js'

/** What codes stand for that the text of an outage does not tell apart. */
const HINTS: readonly (readonly [codes: RegExp, hint: string])[] = [
  [/^28/, 'the server refuses the role, or its password'],
  [/^25006$/, 'the database can only be read: default_transaction_read_only is on, or the server is a replica'],
]

export function reasonOf(error: unknown): string {
  const { message, databaseCode } = toPersistError('the reason', error)
  const hint = HINTS.find(([codes]) => codes.test(databaseCode ?? ''))?.[1]
  return hint === undefined ? message : `${message}: ${hint}`
}
