/**
 * Counts calls, tokens and costs of language models, in one row for each user, model and day.
 *
 * Trap: a Decimal field cannot be incremented, and sums of Floats are not exact. So the row counts whole billionths of a dollar, and the functions take and
 * return Decimals. Second trap: this measures, and does not limit. Calls that run at the same time all see the budget before any of them has spent. For a
 * hard limit reserve the amount first, as the inventory does.
 */
import { Prisma, type PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { usage: { debounce: 2000, maxWait: 10_000 } }

const NANO = 1_000_000_000

export interface Spent {
  readonly input: number
  readonly output: number
  /** In dollars. A part of a billionth counts as a whole one. */
  readonly cost: Prisma.Decimal
}

export function llmUsage(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  return {
    /**
     * Call it once, when the model has answered. A process that dies before has used tokens that are not counted here, and a call that is repeated after
     * `OUTCOME_UNKNOWN` may count twice: the invoice of the provider decides.
     * @param at chooses the day, which begins at midnight UTC
     */
    async spent(userId: string, model: string, { input, output, cost }: Spent, at = new Date()): Promise<void> {
      const nanoDollars = BigInt(cost.mul(NANO).toFixed(0, Prisma.Decimal.ROUND_UP))
      await cache.usage.upsert({
        where: { userId_model_day: { userId, model, day: at } },
        create: { calls: 1, inputTokens: input, outputTokens: output, nanoDollars },
        update: {
          calls: { increment: 1 },
          inputTokens: { increment: input },
          outputTokens: { increment: output },
          nanoDollars: { increment: nanoDollars },
        },
      })
    },

    /** Dollars of one user, model and day, from Redis, with every acknowledged call. */
    async costOfDay(userId: string, model: string, day = new Date()): Promise<Prisma.Decimal> {
      const row = await cache.usage.findUnique({ where: { userId_model_day: { userId, model, day } }, select: { nanoDollars: true } })
      return dollars(row?.nanoDollars)
    },

    /** Dollars of one user, over all models, from the day `from` to the day before `to`. It includes everything that was acknowledged before the call. */
    async costOfPeriod(userId: string, from: Date, to: Date): Promise<Prisma.Decimal> {
      await cache.flush({ model: 'usage' })
      const { _sum } = await prisma.usage.aggregate({ where: { userId, day: { gte: from, lt: to } }, _sum: { nanoDollars: true } })
      return dollars(_sum.nanoDollars)
    },
  }
}

function dollars(nano: bigint | null | undefined): Prisma.Decimal {
  return new Prisma.Decimal(String(nano ?? 0n)).div(NANO)
}
