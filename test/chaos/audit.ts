/**
 * Triggers that note the steps of rows with versions. They note every insert and delete of a player, and every update of a player or a page view
 * to an older version. Such an update is noted together with the version before it, so that the step back can be seen.
 */
import type { RowState } from './checker.js'

/** One step of a row, as the database made it. `version` is the row's version after the step, or before its delete. */
export interface Step {
  readonly record: string
  readonly event: 'insert' | 'update' | 'delete'
  readonly version: number
}

export type Query = <T extends object>(sql: string) => Promise<T[]>

const NOTE = `insert into chaos_step (record, event, version) values`

const INSTALL = `
create unlogged table chaos_step (id bigserial, record text, event text, version int);
create function chaos_audit_player() returns trigger language plpgsql as $$ begin
  if tg_op = 'DELETE' then ${NOTE} (old.player_id, 'delete', old.score); return old; end if;
  if tg_op = 'INSERT' then ${NOTE} (new.player_id, 'insert', new.score);
  elsif new.score < old.score then ${NOTE} (new.player_id, 'update', old.score), (new.player_id, 'update', new.score); end if;
  return new; end $$;
create function chaos_audit_page() returns trigger language plpgsql as $$ begin
  if coalesce(new.last_status, 0) < coalesce(old.last_status, 0) then
    ${NOTE} (new.path, 'update', old.last_status), (new.path, 'update', coalesce(new.last_status, 0)); end if;
  return new; end $$;
create trigger chaos_audit after insert or update or delete on players for each row execute function chaos_audit_player();
create trigger chaos_audit after update on page_views for each row execute function chaos_audit_page();`

export async function installAudit(query: Query): Promise<void> {
  await query(INSTALL)
}

/** Takes the steps since the last call. */
export async function takeSteps(query: Query): Promise<Step[]> {
  const steps = await query<Step>('select record, event, version from chaos_step order by id')
  await query('truncate chaos_step')
  return steps
}

/** Reads all rows that the writers write, by record. */
export async function readRows(query: Query): Promise<Map<string, RowState>> {
  const rows = new Map<string, RowState>()
  const counters = await query<{ name: string; value: string }>(`select name, value from "Counter"`)
  for (const { name, value } of counters) rows.set(name, { amount: BigInt(value), version: 0, torn: false })
  const pages = await query<{ path: string; views: string; bytes: string; version: number }>(
    'select path, views, bytes, coalesce(last_status, 0) as version from page_views',
  )
  for (const { path, views, bytes, version } of pages)
    rows.set(path, { amount: BigInt(views), version, torn: BigInt(views) * 10n !== BigInt(bytes) })
  const players = await query<{ id: string; name: string; score: number }>(
    'select player_id as id, display_name as name, score from players',
  )
  for (const { id, name, score } of players) rows.set(id, { amount: 0n, version: score, torn: name !== `v${score}` })
  return rows
}
