import type { QueueOptions } from 'bullmq'
import { redact } from '../redaction.js'

type BullTelemetry = NonNullable<QueueOptions['telemetry']>
type Tracer = BullTelemetry['tracer']
type Span = ReturnType<Tracer['startSpan']>
type Attributes = Parameters<Span['setAttributes']>[0]

/** The `telemetry` option of BullMQ's queues and workers; empty if bullmq-otel is not installed. */
export type QueueTelemetry = Pick<QueueOptions, 'telemetry'>

/** The attributes that may leave the library. BullMQ would also add the names, ids, data and results of jobs, and these contain keys of records. */
const ATTRIBUTES = new Set([
  'bullmq.queue.name',
  'bullmq.queue.operation',
  'bullmq.queue.clean.count',
  'bullmq.queue.drain.delay',
  'bullmq.job.bulk.count',
  'bullmq.job.attempts.made',
  'bullmq.job.attempt_finished_timestamp',
  'bullmq.job.processed.timestamp',
  'bullmq.worker.id',
  'bullmq.worker.do.not.wait.active',
  'bullmq.worker.force.close',
  'bullmq.worker.rate.limit',
])

export function withoutKeys({ tracer, contextManager }: BullTelemetry): BullTelemetry {
  const startSpan: Tracer['startSpan'] = (name, options, context) => new SpanWithoutKeys(tracer.startSpan(nameOf(name), options, context))
  return { tracer: { startSpan }, contextManager }
}

/**
 * BullMQ's name for the span of `add` ends with the name of the job. This part is left out. Names of other spans consist of an operation and a queue.
 */
function nameOf(span: string): string {
  return span.startsWith('add ') ? 'add' : span
}

class SpanWithoutKeys implements Span {
  readonly #span: Span

  constructor(span: Span) {
    this.#span = span
  }

  setSpanOnContext(context: unknown): unknown {
    return this.#span.setSpanOnContext(context)
  }

  setAttribute(name: string, value: Parameters<Span['setAttribute']>[1]): void {
    if (ATTRIBUTES.has(name)) this.#span.setAttribute(name, value)
  }

  setAttributes(attributes: Attributes): void {
    this.#span.setAttributes(allowed(attributes))
  }

  addEvent(name: string, attributes: Attributes = {}): void {
    this.#span.addEvent(name, allowed(attributes))
  }

  recordException(exception: unknown): void {
    this.#span.recordException(redact(exception))
  }

  end(): void {
    this.#span.end()
  }
}

function allowed(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => ATTRIBUTES.has(name)))
}
