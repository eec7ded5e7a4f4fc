import type { QueueOptions } from 'bullmq'
import { unlessMissing } from './telemetry.js'

/** What BullMQ's queues and workers take as `telemetry`; nothing where bullmq-otel is not installed. */
export type QueueTelemetry = Pick<QueueOptions, 'telemetry'>

export async function loadQueueTelemetry(): Promise<QueueTelemetry> {
  try {
    const { BullMQOtel } = await import('bullmq-otel')
    return { telemetry: new BullMQOtel({ tracerName: 'write-behind' }) }
  } catch (error) {
    return unlessMissing(error) ?? {}
  }
}
