/** What the inspection asks the catalog, and what the catalog answers. */

/** A column that a statement names. */
export interface WantedColumn {
  readonly name: string
  /** The name of a built-in type of PostgreSQL; undefined for an enum. */
  readonly type: string | undefined
  readonly typeSchema: string | undefined
  readonly typeName: string | undefined
  readonly labels: readonly string[]
  readonly list: boolean
  /** Digits after the point of a number or of a second. A column with fewer digits would round the values. */
  readonly digits: number
  /** The first letters of the rights that are needed: `SELECT`, `INSERT`, `UPDATE`. */
  readonly rights: string
  /** The field, if Prisma leaves its column out of an insert that has no value for it. The library's statement writes NULL there. */
  readonly leftOut?: string
}

export interface WantedTable {
  /** What messages call the table: the name of its model, or the ledger. */
  readonly subject: string
  /** The name of the table, as statements write it. */
  readonly quoted: string
  readonly schema: string | undefined
  readonly name: string
  readonly keys: readonly string[]
  readonly deletes: boolean
  readonly columns: readonly WantedColumn[]
}

export interface FoundColumn {
  readonly name: string
  readonly found: boolean
  /** The type as PostgreSQL spells it, with its modifier. */
  readonly type: string | null
  readonly fits: boolean | null
  /** Rights that are missing. */
  readonly denied: readonly string[]
  readonly missingLabels: readonly string[]
  /** What fills the column if an insert leaves it out; absent if that is NULL. `computed`: no insert may name the column. */
  readonly filled: 'computed' | 'default' | null
}

export interface FoundTable {
  /** `pg_class.relkind`; null: there is no table. */
  readonly kind: string | null
  readonly user: string
  readonly path: string
  /** Schemas that have a table of this name. */
  readonly elsewhere: readonly string[]
  readonly schema: string | null
  readonly isSchemaOpen: boolean | null
  readonly isWritable: boolean | null
  readonly mayDelete: boolean | null
  readonly hasKey: boolean | null
  /** Commands for which row-level security has no policy. */
  readonly withoutPolicy: readonly string[]
  readonly columns: readonly FoundColumn[]
}

/** The bits for UPDATE, INSERT and DELETE in the result of `pg_relation_is_updatable`. */
const WRITABLE = (1 << 2) | (1 << 3) | (1 << 4)

/**
 * The query finds names as a statement would: by schema, or on the search path. It shortens names as PostgreSQL does. It compares the expected type
 * with the type of the column, or of the domain's base. A varchar counts as text. So does a citext, unless it is in a key, because it compares keys
 * in another way. A default is the column's own, or else the default of its domain. PostgreSQL puts every operator in brackets. So an expression that
 * begins with `NULL::` is only NULL.
 */
export const CATALOG_QUERY = `with wanted as (
  select w.* from json_to_recordset($1::json) as w(n int, schema text, name text, keys json, deletes boolean, columns json)),
tables as (
  select w.*, c.oid, c.relkind, c.relnamespace from wanted w left join lateral (
    select c.oid, c.relkind, c.relnamespace from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where c.relname = w.name::name and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and case when w.schema is null then pg_table_is_visible(c.oid) else s.nspname = w.schema::name end) c on true)
select json_build_object(
  'kind', t.relkind::text,
  'user', current_user::text,
  'path', array_to_string(current_schemas(false), ', '),
  'elsewhere', coalesce((select json_agg(s.nspname) from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where c.relname = t.name::name and c.relkind in ('r', 'p', 'v')), '[]'),
  'schema', (select s.nspname from pg_namespace s where s.oid = t.relnamespace),
  'isSchemaOpen', has_schema_privilege(t.relnamespace, 'USAGE'),
  'isWritable', pg_relation_is_updatable(t.oid, false) & ${WRITABLE} = ${WRITABLE},
  'mayDelete', not t.deletes or has_table_privilege(t.oid, 'DELETE'),
  'hasKey', t.relkind = 'v' or exists (select from pg_index i where i.indrelid = t.oid and i.indisunique and i.indisvalid and i.indimmediate
    and i.indpred is null and i.indexprs is null
    and (select array_agg(a.attname order by a.attname) from pg_attribute a
      where a.attrelid = t.oid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
      = (select array_agg(k::name order by k::name) from json_array_elements_text(t.keys) k)),
  'withoutPolicy', coalesce((select json_agg(command) from (values ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')) as x(code, command)
    where row_security_active(t.oid) and (t.deletes or code <> 'd') and not exists (select from pg_policy p
      where p.polrelid = t.oid and p.polpermissive and p.polcmd in (code::"char", '*')
        and (p.polroles = '{0}' or exists (select from unnest(p.polroles) r where r <> 0 and pg_has_role(r, 'USAGE'))))), '[]'),
  'columns', (select json_agg(json_build_object(
    'name', f.name,
    'found', a.attnum is not null,
    'type', format_type(a.atttypid, a.atttypmod),
    'fits', wanted_type.oid is not null and actual_type.oid is not null and wanted_type.oid
      = case when actual_type.oid = 'varchar'::regtype then 'text'::regtype when actual_type.oid = 'varchar[]'::regtype then 'text[]'::regtype
        when (select typname from pg_type where pg_type.oid = actual_type.oid) = 'citext' and f.name not in (select json_array_elements_text(t.keys)) then 'text'::regtype else actual_type.oid end,
    'denied', coalesce((select json_agg(command) from (values ('S', 'SELECT'), ('I', 'INSERT'), ('U', 'UPDATE')) as x(code, command)
      where strpos(f.rights, code) > 0 and not has_column_privilege(t.oid, a.attnum, command)), '[]'),
    'missingLabels', coalesce((select json_agg(label) from json_array_elements_text(f.labels) label where scalar_type.oid is not null
      and not exists (select from pg_enum e where e.enumtypid = scalar_type.oid and e.enumlabel = label::name)), '[]'),
    'filled', case when a.attgenerated <> '' or a.attidentity = 'a' then 'computed' when a.attidentity <> '' then 'default'
      when case when a.atthasdef then (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d where d.adrelid = t.oid and d.adnum = a.attnum)
        else (select y.typdefault from pg_type y where y.oid = a.atttypid) end not like 'NULL::%' then 'default' end))
    from json_to_recordset(t.columns) as f(name text, type text, "typeSchema" text, "typeName" text, labels json, list boolean, rights text)
    left join pg_attribute a on a.attrelid = t.oid and a.attname = f.name::name and a.attnum > 0 and not a.attisdropped
    left join lateral (select y.oid, y.typarray from pg_type y join pg_namespace s on s.oid = y.typnamespace
      where case when f.type is not null then y.oid = to_regtype(f.type)
        else y.typname = f."typeName"::name and case when f."typeSchema" is null then pg_type_is_visible(y.oid) else s.nspname = f."typeSchema"::name end
        end) scalar_type on true
    left join lateral (select case when f.list then scalar_type.typarray else scalar_type.oid end as oid) wanted_type on true
    left join lateral (with recursive base as (
        select y.oid, y.typtype, y.typbasetype from pg_type y where y.oid = a.atttypid
        union all select y.oid, y.typtype, y.typbasetype from base join pg_type y on y.oid = base.typbasetype where base.typtype = 'd')
      select base.oid from base where base.typtype <> 'd') actual_type on true)
)::text as found from tables t order by t.n`
