/** Values that look like other values, or are not what they look like. Each is made anew and put into the data of a document. */
import vm from 'node:vm'
import { Decimal } from '@prisma/client/runtime/client'
import { Prisma } from '../../generated/client/client.js'
import type { Json } from './rows.js'

type Make = () => unknown

class LaterDate extends Date {
  override toISOString() {
    return '2001-01-01T00:00:00.000Z'
  }
}

class Row {
  title = 'of a class'
  get note() {
    return 'of its prototype'
  }
}

const MANY = Decimal.clone({ precision: 50 })
const CLAIM = '[object Decimal]'
const elsewhere = (code: string) => vm.runInNewContext(code) as unknown
const own = (value: object, more: object) => Object.assign(value, more)
const hidden = (name: string, value: unknown) => Object.defineProperty({}, name, { value })
const proxy = (value: object) => new Proxy(value, {})
const cycle = () => {
  const object: Json = {}
  object.self = object
  return object
}

const TIMES: readonly Make[] = [
  () => own(new Date(0), { toISOString: () => '2001-01-01T00:00:00.000Z' }),
  () => own(new Date(0), { toISOString: () => 'bad' }),
  () => own(new Date(0), { toJSON: () => 'bad', valueOf: () => Number.NaN, getTime: () => Number.NaN }),
  () => new LaterDate(0),
  () => elsewhere('new Date(5)'),
  () => Object.create(Date.prototype),
  () => proxy(new Date(0)),
  () => own(new Date(0), { [Symbol.toStringTag]: 'Other' }),
  () => ({ [Symbol.toStringTag]: 'Date' }),
  () => ({ toISOString: () => '2001-01-01T00:00:00.000Z', toJSON: () => '2001-01-01T00:00:00.000Z' }),
  () => new Date(Number.NaN),
  () => new Date(-1e15),
  () => new String('2020-01-01T00:00:00Z'),
  ...['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+05:00', '9999-12-31T23:59:59-05:00', '2020-01-01T00:00:60Z'].map((text) => () => text),
  ...['2020-01-01T00:00:00.123456+05:00', '2020-01-01t00:00:00z', '2020-01-01T00:00:00.1234567890123Z'].map((text) => () => text),
]

const DECIMALS: readonly Make[] = [
  () => ({ toStringTag: CLAIM }),
  () => ({ toStringTag: CLAIM, toFixed: () => '7' }),
  () => ({ toStringTag: CLAIM, s: 1, e: 0, d: [7] }),
  () => ({ toStringTag: CLAIM, s: 1, e: 0, d: [7], toFixed: () => '9' }),
  () => ({ toStringTag: CLAIM, s: 1, e: 0, d: [7], toFixed: () => 9 }),
  () => ({ s: 1, e: 0, d: [7], toFixed: () => '9' }),
  () => new MANY('1.25'),
  () => own(new Decimal(1), { toFixed: () => '9' }),
  () => own(new Decimal(1), { toJSON: () => '9', toString: () => '9', valueOf: () => '9' }),
  () => proxy(new Decimal(2)),
  () => new Decimal('-0'),
  () => new Decimal('1e-16384'),
  () => new Number(5),
  () => 5n,
  ...['1e-16384', '1e-16383', '1e-400', '1e-9000000', '0e99999', `0.${'0'.repeat(16_400)}`, `1.${'0'.repeat(17_000)}`].map(
    (text) => () => text,
  ),
  ...[
    ' 1',
    '+1',
    '1_0',
    '1__0',
    '1_',
    '_1',
    '1e3',
    '.5',
    '5.',
    '.',
    '',
    '-',
    '1e_2',
    '1e',
    'NaN',
    'Infinity',
    '0x10',
    '0b1',
    '１',
    '1\n',
  ].map((text) => () => text),
  ...['1.005', '-1.005', `1.005${'0'.repeat(70)}1`, `1.004${'9'.repeat(70)}`, '9999999999.99', '9999999999.995'].map((text) => () => text),
]

const BYTES: readonly Make[] = [
  () => Buffer.from('abc'),
  () => new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
  () => elsewhere('new Uint8Array([1, 2])'),
  () => new Uint16Array([1, 2]),
  () => new DataView(new ArrayBuffer(2)),
  () => new ArrayBuffer(2),
  () => own(new Uint8Array([1]), { toJSON: () => 'x' }),
  () => Object.create(Uint8Array.prototype),
  () => proxy(new Uint8Array([1])),
  () => new Uint8Array(new SharedArrayBuffer(2)),
  () => 'YQ==',
  () => [1],
]

const LISTS: readonly Make[] = [
  // biome-ignore lint/suspicious/noSparseArray: that is the point
  () => ['a', , 'b'],
  // biome-ignore lint/suspicious/noSparseArray: that is the point
  () => ({ set: ['a', , 'b'] }),
  () => ['a', undefined],
  () => new Array(2),
  () => own(['a'], { map: () => ['z'], toJSON: () => ['z'], more: 1 }),
  () => class extends Array {}.from(['a']),
  () => elsewhere('["a"]'),
  () => proxy(['a']),
  () => ({ 0: 'a', length: 1 }),
  () => new Set(['a']),
  () => [new String('a')],
  () => new Uint8Array(2),
  () => own({ set: ['a'] }, { [Symbol.toStringTag]: 'Date' }),
  () => own({ set: ['a'] }, { toJSON: () => ['z'] }),
]

const TEXTS: readonly Make[] = [
  () => new String('x'),
  () => ({ toString: () => 'x' }),
  () => ({ toJSON: () => 'x' }),
  () => 'a\0',
  () => Symbol('x'),
  () => new Date(0),
  () => new Decimal(1),
  () => new Uint8Array([65]),
  () => Prisma.JsonNull,
  () => Prisma.DbNull,
]

const NUMBERS: readonly Make[] = [
  () => -0,
  () => new Number(5),
  () => '5',
  () => 5n,
  () => ({ valueOf: () => 5 }),
  () => new Decimal(5),
  () => 1e3,
  () => 2 ** 53,
  () => true,
  () => ({ increment: 1 }),
]

/** Values for JSON fields, which also stand inside a JSON value. */
const PARTS: readonly Make[] = [
  // biome-ignore lint/suspicious/noSparseArray: that is the point
  () => [1, , 2],
  () => [undefined],
  () => undefined,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => -0,
  () => 2 ** 53 + 2,
  () => 5n,
  () => '\ud800',
  () => '\0',
  () => '\\u0000',
  () => Symbol('x'),
  () => () => 1,
  () => own(() => 1, { toJSON: () => 1 }),
  () => ({ toJSON: () => ({ z: 1 }) }),
  () => ({ toJSON: () => undefined }),
  () => ({ toJSON: () => new Date(0) }),
  () => ({ toJSON: (name: string) => name }),
  () => own([1, 2], { toJSON: () => 5, more: 1 }),
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => new Row(),
  () => Object.create({ inherited: 1 }),
  () => own(Object.create(null), { a: 1 }),
  () => hidden('a', 1),
  () => ({ [Symbol('x')]: 1 }),
  () => proxy({ a: 1 }),
  () => new String('x'),
  () => new Number(Number.NaN),
  () => new Boolean(false),
  () => new ArrayBuffer(1),
  () => new Error('x'),
  () => /x/,
  () => elsewhere('[1, { a: 1 }]'),
  () => ({ $type: 'DateTime', value: 'x' }),
  () => ({ prisma__type: 'date', prisma__value: 'x' }),
  () => ({ set: 1 }),
  () => ({ _ref: 'a', _container: 'b' }),
  () => JSON.parse('{"__proto__": 1, "a": 2}'),
  () => Prisma.JsonNull,
  () => Prisma.DbNull,
  () => Prisma.AnyNull,
  () => new Decimal('1.5'),
  () => new Decimal('1e400'),
  () => new Decimal('1e-400'),
  () => new Decimal('12345678901234567890.5'),
  cycle,
  ...TIMES,
  ...DECIMALS.filter((make) => typeof make() === 'object'),
  ...BYTES,
]

const ROWS: readonly ((data: Json) => unknown)[] = [
  () => new Date(),
  () => elsewhere('new Date(0)'),
  () => Prisma.DbNull,
  () => Prisma.JsonNull,
  () => [],
  () => new Map(),
  () => new Decimal(1),
  () => new Uint8Array(1),
  (data) => proxy(data),
  (data) => own(new Row(), data),
  (data) => own(Object.create(null), data),
  (data) => Object.create(data),
  (data) => Object.defineProperty(data, 'note', { value: 'hidden' }),
  (data) => own(data, { toJSON: () => ({ title: 'other' }) }),
  (data) => own(Object.create({ toJSON: () => ({ title: 'other' }) }), data),
  (data) => own(data, { toStringTag: CLAIM }),
  (data) => own(data, { [Symbol.toStringTag]: 'Date' }),
  (data) => own(data, { [Symbol('x')]: 1 }),
  (data) => JSON.parse(JSON.stringify(data).replace('{', '{"__proto__": { "note": "polluted" },')),
]

const FIELDS: Readonly<Record<string, readonly Make[]>> = {
  createdAt: TIMES,
  price: DECIMALS,
  blob: BYTES,
  tags: LISTS,
  title: TEXTS,
  note: TEXTS,
  rank: NUMBERS,
  flag: [() => new Boolean(true), () => 1],
  state: [() => new String('DRAFT'), () => 'published', () => 'toString', () => ({ toString: () => 'DRAFT' })],
  body: PARTS,
  meta: [...PARTS.map((make) => () => ({ part: make() })), ...PARTS.map((make) => () => [make()])],
}

/** The cases: the name of each, and what it makes of the data of a document. */
export const QUACKING: readonly (readonly [name: string, quack: (data: Json) => unknown])[] = [
  ...Object.entries(FIELDS).flatMap(([field, values]) =>
    values.map((make, n) => [`${field} ${n}: ${make.toString().slice(0, 60)}`, (data: Json) => ({ ...data, [field]: make() })] as const),
  ),
  ...ROWS.map((quack, n) => [`the data ${n}: ${quack.toString().slice(0, 60)}`, quack] as const),
]
