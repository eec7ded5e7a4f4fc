/** The only module that uses OpenTelemetry. It imports only types of it, because OpenTelemetry is optional. */
import type * as OpenTelemetryApi from '@opentelemetry/api'
import type { Attributes, Link, Span } from '@opentelemetry/api'
import { WriteBehindError } from '../errors.js'
import { messageOf } from '../redaction.js'
import { type FlushedBatch, MAX_TRACES, type Origin, type Telemetry, type WriteCall, type WriteSpan } from './telemetry.js'

const TRACEPARENT = /00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}) /g

export class OpenTelemetry implements Telemetry {
  readonly #api: typeof OpenTelemetryApi
  readonly #tracer: OpenTelemetryApi.Tracer

  constructor(api: typeof OpenTelemetryApi) {
    this.#api = api
    this.#tracer = api.trace.getTracer('write-behind')
  }

  origin(): Origin | undefined {
    const span = this.#api.trace.getActiveSpan()
    return span?.isRecording() ? span.spanContext() : undefined
  }

  write({ model, shard, operations, writes, origins }: WriteCall): WriteSpan | undefined {
    const { ROOT_CONTEXT, SpanKind, trace } = this.#api
    const [first, ...others] = distinct(origins)
    const parent = first === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, first)
    const attributes = attributesOf('write', 'send', model, shard, operations)
    attributes['write_behind.writes'] = writes
    const options = { kind: SpanKind.PRODUCER, attributes, links: others.map((each) => ({ context: each })) }
    const span = this.#tracer.startSpan('write-behind.write', options, parent)
    if (!span.isRecording()) return undefined
    return { traces: [span.spanContext(), ...others].map(toTraceparent).join(''), end: (failure) => this.#end(span, failure) }
  }

  async flush(flushed: FlushedBatch, run: () => Promise<{ rows: number; parked: number }>): Promise<void> {
    const { SpanKind, context, trace } = this.#api
    const { model, shard, batch, records, writes, traces } = flushed
    const attributes = {
      ...attributesOf('flush', 'process', model, shard, records),
      'write_behind.batch': batch,
      'write_behind.writes': writes,
    }
    const span = this.#tracer.startSpan('write-behind.flush', { kind: SpanKind.CONSUMER, attributes, links: toLinks(traces) })
    try {
      const { rows, parked } = await context.with(trace.setSpan(context.active(), span), run)
      span.setAttributes({ 'write_behind.rows': rows, 'write_behind.parked': parked })
      this.#end(span)
    } catch (error) {
      this.#end(span, error as Error)
      throw error
    }
  }

  #end(span: Span, failure?: Error): void {
    if (failure !== undefined) {
      span.setAttribute('error.type', failure instanceof WriteBehindError ? failure.code : failure.name)
      span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: messageOf(failure) })
    }
    span.end()
  }
}

/** Attributes according to the semantic conventions for message queues. A shard counts as a queue. The attributes contain no keys and no values. */
function attributesOf(name: string, type: string, model: string, shard: number, records: number): Attributes {
  return {
    'messaging.system': 'write-behind',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.destination.name': model,
    'messaging.destination.partition.id': String(shard),
    'messaging.batch.message_count': records,
  }
}

/** Returns each span once, and at most as many spans as a call may link to. */
function distinct(origins: readonly Origin[]): readonly Origin[] {
  if (origins.length < 2) return origins
  const bySpan = new Map<string, Origin>()
  for (const origin of origins) {
    if (bySpan.size === MAX_TRACES) break
    bySpan.set(origin.spanId, origin)
  }
  return [...bySpan.values()]
}

function toTraceparent({ traceId, spanId, traceFlags }: Origin): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')} `
}

function toLinks(traces: string): Link[] {
  return [...traces.matchAll(TRACEPARENT)].map(([, traceId = '', spanId = '', flags = '']) => ({
    context: { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true },
  }))
}
