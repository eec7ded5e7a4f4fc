/** Every kind of call, for what the compiler makes of its result: checked by test/extension/types.test.ts, and never run. */
import type { Client } from './client.js'

export async function answers(db: Client, id: string) {
  return {
    row: await db.user.findUnique({ where: { id } }),
    selected: await db.post.findUnique({ where: { id }, select: { title: true, meta: true, author: { select: { name: true } } } }),
    included: await db.post.findUniqueOrThrow({ where: { id }, include: { stat: true, comments: { take: 1 }, _count: true } }),
    omitted: await db.user.findFirst({ omit: { email: true } }),
    byAddress: await db.user.findUnique({ where: { email: id }, include: { posts: { select: { id: true } } } }),
    many: await db.like.findMany({ where: { user: { role: 'READER' } }, orderBy: { weight: 'desc' } }),
    created: await db.post.create({ data: { title: id, author: { connect: { id } }, stat: { create: {} } }, include: { stat: true } }),
    updated: await db.postStat.update({ where: { postId: id }, data: { views: { increment: 1n } }, select: { views: true } }),
    upserted: await db.like.upsert({
      where: { userId_postId: { userId: id, postId: id } },
      create: { userId: id, postId: id },
      update: { weight: 2 },
      omit: { createdAt: true },
    }),
    deleted: await db.user.delete({ where: { id } }),
    counted: await db.post.count({ select: { _all: true, meta: true } }),
    aggregated: await db.postStat.aggregate({ _sum: { views: true }, _avg: { score: true } }),
    grouped: await db.post.groupBy({ by: ['status'], _count: { _all: true } }),
    manyUpdated: await db.post.updateManyAndReturn({ data: { title: id }, select: { id: true } }),
    manyCreated: await db.like.createMany({ data: [{ userId: id, postId: id }] }),
    fluent: await db.post.findUnique({ where: { id } }).author({ select: { role: true } }),
    raw: await db.$queryRaw<{ n: number }[]>`select 1 as n`,
    batch: await db.$transaction([db.user.count(), db.postStat.findMany({ select: { score: true } })]),
    interactive: await db.$transaction(async (transaction) => transaction.post.findMany({ include: { author: true } })),
  }
}

/** Parts of an application take its client by the types that Prisma generates. */
export type Update = Parameters<Client['postStat']['update']>[0]
