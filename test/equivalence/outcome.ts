import { type Json, normal } from './rows.js'

export type Outcome = { readonly value: unknown } | Refusal

/** What an application can see of an error. Only the last line of the message counts, because the others quote the source of the call. */
export interface Refusal {
  readonly error: string
  readonly code: string | undefined
  readonly meta: Json
  readonly message: string
}

/** Resolves to how a call ends, in a comparable form. */
export async function outcome(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: normal(await call()) }
  } catch (error) {
    const { name, code, meta, message } = error as Error & { code?: string; meta?: Json }
    return { error: name, code, meta: JSON.parse(JSON.stringify(meta ?? {})), message: message.split('\n').at(-1) ?? '' }
  }
}
