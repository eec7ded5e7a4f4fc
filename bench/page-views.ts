/** A row as counters have it in practice: two sums, and the values seen last. The measures use it where the width of a row matters. */
export interface PageView {
  readonly path: string
  readonly views: number
  readonly bytes: number
  readonly lastStatus: number
  readonly lastSeen: Date
}

export function pageViews(count: number): PageView[] {
  return Array.from({ length: count }, (_, n) => ({
    path: `/articles/${n}/comments`,
    views: n + 1,
    bytes: 5120,
    lastStatus: 200,
    lastSeen: new Date(1_763_716_800_000 + n),
  }))
}

/** The arguments of `upsert`, the same for Prisma and for the cache. */
export function upsertOf({ path, views, bytes, lastStatus, lastSeen }: PageView) {
  return {
    where: { path },
    create: { path, views, bytes, lastStatus, lastSeen },
    update: { views: { increment: views }, bytes: { increment: bytes }, lastStatus, lastSeen },
  }
}
