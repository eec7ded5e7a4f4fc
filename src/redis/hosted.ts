/** The fields of the reply to INFO. */
export type Fields = ReadonlyMap<string, string>

/** What the operator has to look at where Redis does not tell it. Each text names a setting and its safe value. */
export interface Settings {
  readonly eviction: string
  /** `undefined` if the service always keeps writes through a crash, without an append-only file. */
  readonly persistence: string | undefined
}

/** A service whose INFO says less than that of Redis, or says it in another way (docs/providers.md). */
export interface Hosted extends Settings {
  readonly name: string
  readonly is: (fields: Fields) => boolean
}

/** The settings of Redis itself. */
export const SETTINGS: Settings = {
  eviction: 'maxmemory-policy must be noeviction',
  persistence: 'appendonly must be on',
}

const HOSTED: readonly Hosted[] = [
  {
    name: 'Amazon ElastiCache',
    is: (fields) => fields.get('os') === 'Amazon ElastiCache',
    eviction: SETTINGS.eviction,
    persistence: 'the durability of the cluster must be sync',
  },
  {
    name: 'Amazon MemoryDB',
    is: (fields) => fields.get('os') === 'Amazon MemoryDB',
    eviction: SETTINGS.eviction,
    persistence: undefined,
  },
  {
    name: 'Upstash',
    is: (fields) => fields.has('upstash_version'),
    eviction: 'Eviction must be disabled for the database',
    persistence: undefined,
  },
  {
    name: 'Redis Enterprise (Redis Cloud, Azure Managed Redis)',
    is: (fields) => /^0{40}$/.test(fields.get('redis_build_id') ?? ''),
    eviction: 'the eviction policy of the database must be noeviction',
    persistence: 'the data persistence of the database must be an append-only file',
  },
]

/** The service that answered INFO, if it is one of those. */
export function hostedBy(fields: Fields): Hosted | undefined {
  return HOSTED.find(({ is }) => is(fields))
}
