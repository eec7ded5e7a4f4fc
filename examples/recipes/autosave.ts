/**
 * Saves a draft while its author types. The editor may save each second; the database gets the text when the author pauses, and at least twice a minute.
 *
 * Trap: the last write wins. The author is a part of the key, so that two authors never overwrite each other. Two tabs of one author do, and so do two
 * requests that overtake each other: the editor must send the next save only after the answer to the one before.
 */
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

/** A text of more than 1 MiB is refused with InvalidInputError. */
export const policies = { draft: { debounce: 3000, maxWait: 30_000, maxRecordSize: 1_048_576 } }

export function autosave(cache: Cache<typeof models, typeof policies>) {
  const where = (documentId: string, authorId: string) => ({ documentId_authorId: { documentId, authorId } })

  return {
    /** It may be repeated after any error, as long as no newer text was sent. */
    async saved(documentId: string, authorId: string, text: string): Promise<void> {
      await cache.draft.set(where(documentId, authorId), { text })
    },

    /** The text as it was saved last, from Redis, on every server; `null` if there is no draft. */
    async draft(documentId: string, authorId: string): Promise<string | null> {
      const row = await cache.draft.findUnique({ where: where(documentId, authorId), select: { text: true } })
      return row?.text ?? null
    },

    /** Whether the text that was saved last is in the database. The editor keeps its own copy until then, and only then shows "All changes saved". */
    isSafe(documentId: string, authorId: string): Promise<boolean> {
      return cache.draft.isPersisted(where(documentId, authorId))
    },

    /**
     * Resolves when the database has the draft: for a button "Save", or before somebody else reads the table.
     * @throws PersistError, TimeoutError if the database cannot take it now; ParkedError if the database refuses it
     */
    async savedForGood(documentId: string, authorId: string): Promise<void> {
      await cache.flush({ model: 'draft', key: where(documentId, authorId) })
    },

    /** Call it after the document was published, and after the editor has stopped: a save that comes later makes the draft again. */
    async discarded(documentId: string, authorId: string): Promise<void> {
      await cache.draft.delete({ where: where(documentId, authorId) })
    },
  }
}
