import { checkSchemaName, MIGRATIONS_TABLE, type RunQuery } from './migrations/migration-table.ts'
import type { RoleNames } from './role-names.ts'

/**
 * Tables that the service reads and never writes: an epoch that is lowered would make fencing tokens go back, and the
 * history is written by triggers.
 */
const READ_ONLY_TABLES = ['fencing_epoch', 'history', 'lock_events']

/**
 * What readers do not see, by table: operators may choose keys that can be guessed. The secrets of sign-ins are
 * random, so their hashes tell nothing, and `select * from sessions` goes on working.
 */
const SECRET_COLUMNS: Readonly<Record<string, readonly string[]>> = { api_keys: ['key_hash'] }

/** What an application may call that checks locks in its own transactions. */
const FENCING_FUNCTIONS = ['assert_lock', 'try_assert_lock']

/**
 * Statements that give the roles what they need of the schema as it is now, and take away the rest. The owner
 * can run them, so a deployment can do it after its migrations; in one transaction, so that nobody notices.
 */
export async function grantsSql(
  query: RunQuery,
  schema: string,
  names: RoleNames,
): Promise<readonly string[]> {
  checkSchemaName(schema)
  const { app, reader, fencing } = names
  const nobody = `public, ${app}, ${reader}, ${fencing}`
  const { rows } = await query(
    `select quote_ident(relname) as name, relkind as kind,
       array(select quote_ident(attname) from pg_catalog.pg_attribute
             where attrelid = c.oid and attnum > 0 and not attisdropped order by attnum) as columns
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
     where nspname = $1 and relkind in ('r', 'p', 'v') and not relispartition and relname <> $2
     order by relkind, relname`,
    [schema, MIGRATIONS_TABLE],
  )
  const relations = rows as unknown as readonly Relation[]
  const functions = await query(
    `select format('%I.%I(%s)', $1::text, proname, pg_get_function_identity_arguments(oid)) as name
     from pg_catalog.pg_proc
     where pronamespace = (select oid from pg_catalog.pg_namespace where nspname = $1) and proname = any($2)
     order by 1`,
    [schema, FENCING_FUNCTIONS],
  )
  return [
    `revoke all on schema "${schema}" from ${nobody}`,
    `grant usage on schema "${schema}" to ${app}, ${reader}, ${fencing}`,
    `revoke all on all tables in schema "${schema}" from ${nobody}`,
    `revoke all on all sequences in schema "${schema}" from ${nobody}`,
    `revoke all on all functions in schema "${schema}" from ${nobody}`,
    // usage draws the next number; setval would need update, which nobody but the owner has
    `grant usage on all sequences in schema "${schema}" to ${app}`,
    `grant execute on all functions in schema "${schema}" to ${app}`,
    `grant select on table "${schema}".${MIGRATIONS_TABLE} to ${app}, ${reader}`,
    ...relations.flatMap(relation => [
      `grant ${appPrivileges(relation)} on table "${schema}".${relation.name} to ${app}`,
      `grant select${visibleColumns(relation)} on table "${schema}".${relation.name} to ${reader}`,
    ]),
    ...functions.rows.map(({ name }) => `grant execute on function ${name} to ${fencing}`),
  ]
}

interface Relation {
  readonly name: string
  readonly kind: 'r' | 'p' | 'v'
  readonly columns: readonly string[]
}

function appPrivileges({ name, kind }: Relation): string {
  const readOnly = kind === 'v' || READ_ONLY_TABLES.includes(name)
  return readOnly ? 'select' : 'select, insert, update, delete'
}

function visibleColumns({ name, columns }: Relation): string {
  const secrets = SECRET_COLUMNS[name]
  if (secrets === undefined) return ''
  return ` (${columns.filter(column => !secrets.includes(column)).join(', ')})`
}
