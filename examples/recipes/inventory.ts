/**
 * Reserves stock for orders. The strategy is `write-through`, because the caller must know: a reservation is committed before the call resolves. It saves
 * reads, because the pages of a shop read an item far more often than somebody buys it.
 *
 * Trap: to read the stock and then subtract is a race, whichever cache is used. So the condition stands in the statement that subtracts, and a check constraint
 * in the database stops whatever forgets it. The reservation is inserted in the same transaction, so that an order which asks again, because an
 * answer was lost, reserves nothing twice.
 */
import { Prisma, type PrismaClient } from '../../generated/recipes/client/client.js'
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { item: { strategy: 'write-through', viewTtl: 300_000 } } as const

export function inventory(cache: Cache<typeof models, typeof policies>, prisma: PrismaClient) {
  const db = prisma.$extends(cache.extension())

  return {
    /**
     * Whether the order has the quantity now. It does not if there is too little, if there is no such item, or if it reserved another quantity before.
     * If the call throws, ask again for the same order: nothing is reserved twice.
     */
    async reserve(orderId: string, sku: string, quantity: number): Promise<boolean> {
      // A negative quantity would add to the stock.
      if (!Number.isInteger(quantity) || quantity < 1) throw new RangeError('quantity: expected a whole number from 1')
      const take = db.item.update({ where: { sku, stock: { gte: quantity } }, data: { stock: { decrement: quantity } } })
      const note = db.reservation.create({ data: { orderId, sku, quantity } })
      try {
        await db.$transaction([take, note])
        return true
      } catch (error) {
        if (codeOf(error) !== 'P2002' && codeOf(error) !== 'P2025') throw error
        const before = await db.reservation.findUnique({ where: { orderId_sku: { orderId, sku } } })
        return before?.quantity === quantity
      }
    },

    /** Gives the quantity back. A second call changes nothing. */
    async release(orderId: string, sku: string): Promise<void> {
      const key = { orderId_sku: { orderId, sku } }
      const reservation = await db.reservation.findUnique({ where: key })
      if (reservation === null) return
      const { quantity } = reservation
      // The item comes first, as above, so that the two transactions cannot wait for each other.
      const give = db.item.update({ where: { sku }, data: { stock: { increment: quantity } } })
      const strike = db.reservation.delete({ where: { ...key, quantity } })
      await db.$transaction([give, strike]).catch((error: unknown) => {
        if (codeOf(error) !== 'P2025') throw error // another call has released it meanwhile
      })
    },

    /** From Redis, never older than the last reservation that was acknowledged. It is for the page of the item; `reserve` decides. */
    item(sku: string): Promise<{ price: Prisma.Decimal; stock: number } | null> {
      return db.item.findUnique({ where: { sku }, select: { price: true, stock: true } })
    },
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Prisma.PrismaClientKnownRequestError ? error.code : undefined
}
