/**
 * Packs the argument of write.lua, which unpacks it with cmsgpack. Packed values are strings with one character for each byte, because it is much faster
 * to join such strings and encode them once than to write each value into its place.
 */
import type { Operation, Shape } from '../change/operation.js'
import type { WriteLimits } from './replies.js'

const NOT_ASCII = /[^\0-\x7f]/
const DOUBLE = Buffer.alloc(8)
/** The heads of texts, by their number of bytes. */
const SHORT_TEXTS = Array.from({ length: 32 }, (_, size) => String.fromCharCode(0xa0 + size))

/** The packed limits and shapes are kept, because nearly every call has the same ones as an earlier call. */
const packedLimits = new WeakMap<WriteLimits, string>()
const packedShapes = new WeakMap<Shape, string>()

/** The argument of write.lua. */
export function packWrite(
  writer: string,
  sequence: number,
  writes: number,
  limits: WriteLimits,
  operations: readonly Operation[],
  traces: string,
): Buffer {
  const call = packLimits(limits) + packText(writer) + packNumber(sequence) + packNumber(writes) + packText(traces)
  return Buffer.from(call + packOperations(operations), 'latin1')
}

function packLimits(limits: WriteLimits): string {
  let packed = packedLimits.get(limits)
  if (packed === undefined) {
    const { debounce, maxWait, maxDirty, maxBytes, nameClean } = limits
    packed = packNumber(debounce) + packNumber(maxWait) + packNumber(maxDirty) + packNumber(maxBytes) + packBoolean(nameClean)
    packedLimits.set(limits, packed)
  }
  return packed
}

/** The names of a row, the shapes, and runs of operations of one shape on different records. */
function packOperations(operations: readonly Operation[]): string {
  const shapes = new Map<Shape, number>()
  let row: readonly string[] = []
  let runs = ''
  let size = 0
  for (let from = 0; from < operations.length; ) {
    const { shape } = operations[from] as Operation
    const keys = new Set<string>()
    let to = from
    let run = ''
    for (; operations[to]?.shape === shape && !keys.has((operations[to] as Operation).key); to++) {
      const { key, values } = operations[to] as Operation
      keys.add(key)
      let packed = ''
      for (const value of values) packed += packText(typeof value === 'string' ? value : String(value))
      run += packText(key) + packBytes(packed)
      size += 2
    }
    if (!shapes.has(shape)) shapes.set(shape, shapes.size + 1)
    if (shape.asks !== undefined) row = shape.asks.row
    runs += packNumber(shapes.get(shape) as number) + packNumber(to - from) + run
    size += 2
    from = to
  }
  return packList(row.map(packText)) + packList([...shapes.keys()].map(packShape)) + listHead(size) + runs
}

function packShape(shape: Shape): string {
  let packed = packedShapes.get(shape)
  if (packed === undefined) {
    const { kind, asks, sets, increments, bases, bounds, setsCounter, foldable } = shape
    const fields = [
      ...sets.map((name) => `=${name}`),
      ...increments.map((name) => `+${name}`),
      ...bases.map((name) => `!${name}`),
      ...bounds,
    ]
    packed = packList([
      packText(kind),
      asks === undefined ? packBoolean(false) : packText(asks.condition),
      ...[sets, increments, bases, bounds].map(({ length }) => packNumber(length)),
      packBoolean(setsCounter),
      packBoolean(foldable),
      packBytes(packList(fields.map(packText))),
      packList((asks?.limits ?? []).map(packText)),
    ])
    packedShapes.set(shape, packed)
  }
  return packed
}

function packText(text: string): string {
  return packBytes(NOT_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text)
}

function packBytes(bytes: string): string {
  return (SHORT_TEXTS[bytes.length] ?? head(bytes.length, 0xd9)) + bytes
}

function packNumber(value: number): string {
  if (value >>> 0 === value) {
    if (value < 0x80) return String.fromCharCode(value)
    return String.fromCharCode(0xce, value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
  }
  DOUBLE.writeDoubleBE(value)
  return `\xcb${DOUBLE.toString('latin1')}`
}

function packBoolean(value: boolean): string {
  return value ? '\xc3' : '\xc2'
}

function packList(packed: readonly string[]): string {
  return listHead(packed.length) + packed.join('')
}

function listHead(size: number): string {
  return size < 16 ? String.fromCharCode(0x90 + size) : head(size, 0xdb)
}

/** Packs a size in 1, 2 or 4 bytes, for lists in 2 or 4. `wide` is the head for 1 byte, and the next two values are the heads for 2 and 4. */
function head(size: number, wide: number): string {
  const width = size < 0x100 && wide === 0xd9 ? 1 : size < 0x10000 ? 2 : 4
  let bytes = ''
  for (let rest = size, n = 0; n < width; n++, rest = Math.floor(rest / 0x100)) bytes = String.fromCharCode(rest % 0x100) + bytes
  return String.fromCharCode(wide + Math.log2(width)) + bytes
}
