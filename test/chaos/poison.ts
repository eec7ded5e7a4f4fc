import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import type { Operation } from '../../src/change/operation.js'
import { shardOf } from '../../src/model/key.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { Store } from '../../src/redis/store.js'
import type { Query } from './audit.js'
import { SHARDS } from './queues.js'
import type { Stage } from './stage.js'

const INSTALL = `
create table chaos_poison (record text primary key, state text);
create function chaos_poison() returns trigger language plpgsql as $$
declare refused text;
begin
  select state into refused from chaos_poison where record = to_jsonb(new) ->> tg_argv[0];
  if found then raise exception using errcode = refused, message = 'poisoned'; end if;
  return new;
end $$;
create trigger chaos_poison before insert or update on "Counter" for each row execute function chaos_poison('name');
create trigger chaos_poison before insert or update on page_views for each row execute function chaos_poison('path');
create trigger chaos_poison before insert or update on players for each row execute function chaos_poison('player_id');`

/** The id of a player that no writer writes. */
const BOMB = 'b0b0b0b0-0000-4000-8000-000000000000'
const LIMITS = { debounce: 0, maxWait: 1000, maxDirty: 1_000_000, maxBytes: 2 ** 31, nameClean: false }

/** Makes the database refuse records for a while. */
export class Poison {
  readonly #stage: Pick<Stage, 'query' | 'redis' | 'namespace'>
  /** The records that were refused in this cycle. */
  readonly #records = new Set<string>()
  #bombs = 0
  #isOn = false

  constructor(stage: Pick<Stage, 'query' | 'redis' | 'namespace'>) {
    this.#stage = stage
  }

  async install(query: Query = this.#stage.query): Promise<void> {
    await query(INSTALL)
  }

  /** @param detail is the text of an event, which begins with a record */
  isPoisoned(detail: string): boolean {
    return this.#records.has(detail.split(' ', 1)[0] as string)
  }

  /** True while the database may refuse records. */
  get isOn(): boolean {
    return this.#isOn
  }

  async refuse(records: readonly string[], state: string): Promise<void> {
    this.#isOn = true
    for (const record of records) this.#records.add(record)
    const rows = records.map((record) => `('${record}', '${state}')`)
    await this.#stage.query(`insert into chaos_poison values ${rows.join(', ')} on conflict do nothing`)
  }

  /** Ends the refusals with this SQLSTATE. */
  async cure(state: string): Promise<void> {
    await this.#stage.query(`delete from chaos_poison where state = '${state}'`)
  }

  async cureAll(): Promise<void> {
    await this.#stage.query('delete from chaos_poison')
    this.#isOn = false
  }

  /** Writes the text without the compiler's checks, which would refuse it. */
  async writeBomb(bytes: number): Promise<void> {
    this.#records.add(BOMB)
    const operation = new Compiler(models.player).set({ id: BOMB }, { name: 'bomb', score: 0 }) as Operation
    const values = operation.values.map((value) => (value === 'bomb' ? '"'.repeat(bytes) : value))
    await this.#write({ ...operation, values } as Operation)
  }

  async deleteBomb(): Promise<void> {
    await this.#write(new Compiler(models.player).delete({ where: { id: BOMB } }) as Operation)
  }

  /** Call it at the end of a cycle, when no record is refused any more. */
  forget(): void {
    this.#records.clear()
  }

  async #write(operation: Operation): Promise<void> {
    const { redis, namespace } = this.#stage
    const prefix = shardPrefix(namespace, models.player.name, shardOf(operation.key, SHARDS))
    await new Store(redis).write(prefix, `bomber-${++this.#bombs}`, 1, 1, LIMITS, [operation])
  }
}
