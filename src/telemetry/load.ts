/** Loads the parts that write spans. Each part is loaded only if the application has installed the optional package that it needs. */
import { OpenTelemetry } from './open-telemetry.js'
import { type QueueTelemetry, withoutKeys } from './queue-telemetry.js'
import type { Telemetry } from './telemetry.js'

/** Needs @opentelemetry/api. */
export async function loadTelemetry(): Promise<Telemetry | undefined> {
  try {
    return new OpenTelemetry(await import('@opentelemetry/api'))
  } catch (error) {
    return unlessMissing(error)
  }
}

/** Needs bullmq-otel. */
export async function loadQueueTelemetry(): Promise<QueueTelemetry> {
  try {
    const { BullMQOtel } = await import('bullmq-otel')
    return { telemetry: withoutKeys(new BullMQOtel({ tracerName: 'write-behind' })) }
  } catch (error) {
    return unlessMissing(error) ?? {}
  }
}

/** @throws the error, unless it says that a package is not installed */
function unlessMissing(error: unknown): undefined {
  if (!(error as NodeJS.ErrnoException).code?.endsWith('MODULE_NOT_FOUND')) throw error
}
