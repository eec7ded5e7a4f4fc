/**
 * Sums up the readings of a sensor by the hour: how many, their sum, the lowest and the highest. A sensor that reports each second costs the database about
 * two changes of a row each minute, and one new row an hour.
 *
 * Trap: write-behind is for rows that are written again and again. A single reading is written once, so there is nothing to save: insert readings that you
 * must keep with `createMany`, into a table that is partitioned by time. Readings also come late and out of order. Additions, minima and
 * maxima do not mind the order; a field "latest value" would, because the write that arrives last would win.
 */
import type { models } from '../../generated/recipes/write-behind.js'
import type { Cache } from '../../src/index.js'

export const policies = { sensorHour: { debounce: 10_000, maxWait: 30_000 } }

const HOUR = 3_600_000

export interface Summary {
  readonly samples: number
  readonly average: number
  readonly lowest: number
  readonly highest: number
  readonly lastAt: Date
}

export function sensorHours(cache: Cache<typeof models, typeof policies>) {
  const where = (sensor: string, at: Date) => ({ sensor_hour: { sensor, hour: new Date(Math.floor(at.getTime() / HOUR) * HOUR) } })

  return {
    /**
     * A message that is delivered twice counts twice (MQTT with QoS 1 does that). Take `at` from the device only if its clock is right, because it chooses the row.
     * @param thousandths is a whole number, because Float and Decimal fields cannot be incremented: 21.5 °C is 21500
     */
    async measured(sensor: string, thousandths: number, at: Date): Promise<void> {
      await cache.sensorHour.upsert({
        where: where(sensor, at),
        create: { samples: 1, sum: thousandths, lowest: thousandths, highest: thousandths, lastAt: at },
        update: {
          samples: { increment: 1 },
          sum: { increment: thousandths },
          lowest: { min: thousandths },
          highest: { max: thousandths },
          lastAt: { max: at },
        },
      })
    },

    /** The hour around `at`, from Redis, with every acknowledged reading. Charts of many hours read the table, which is as old as its last flush. */
    async summary(sensor: string, at: Date): Promise<Summary | null> {
      const row = await cache.sensorHour.findUnique({ where: where(sensor, at) })
      if (row === null) return null
      const { samples, sum, lowest, highest, lastAt } = row
      return { samples, average: Number(sum) / samples / 1000, lowest: lowest / 1000, highest: highest / 1000, lastAt }
    },
  }
}
