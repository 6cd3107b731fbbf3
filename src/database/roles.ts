import { grantsSql } from './grants.ts'
import {
  checkSchemaName,
  createMigrationsTableSql,
  createSchemaSql,
  MIGRATIONS_TABLE,
  migrationsTableExists,
  type RunQuery,
  schemaExists,
} from './migrations/migration-table.ts'
import type { RoleNames } from './role-names.ts'

/**
 * What the service's sessions are bounded by, whatever the service itself sets: behind a pooler that gives each
 * statement another connection, the role alone can carry settings.
 */
const APP_SETTINGS = {
  statement_timeout: '5s',
  lock_timeout: '500ms',
  idle_in_transaction_session_timeout: '2s',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  max_parallel_workers_per_gather: '0',
  client_connection_check_interval: '500ms',
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
}

/**
 * Statements that make the roles, hand them the schema as it is now, and arrange for what later migrations
 * make. To be run in one transaction by a superuser, or by a role that may create roles and owns the schema;
 * as often as one likes.
 */
export async function rolesSql(
  query: RunQuery,
  schema: string,
  names: RoleNames,
): Promise<readonly string[]> {
  checkSchemaName(schema)
  const { owner, migrator, app, reader, fencing } = names
  return [
    ...makeRole(owner, 'nologin'),
    ...makeRole(migrator, 'login'),
    ...makeRole(app, 'login'),
    ...makeRole(reader, 'nologin'),
    ...makeRole(fencing, 'nologin'),
    `grant ${owner} to ${migrator}`,
    // who is no superuser can give something to the owner only as one of its members
    `do $$ begin if not pg_has_role('${owner}', 'usage') then grant ${owner} to current_user; end if; end $$`,
    `alter role ${migrator} set role = '${owner}'`,
    ...Object.entries(APP_SETTINGS).map(
      ([setting, value]) => `alter role ${app} set ${setting} = '${value}'`,
    ),
    `do $$ begin execute format('grant connect on database %I to ${migrator}, ${app}, ${reader}, ${fencing}', current_database()); end $$`,
    ...(await handOver(query, schema, owner)),
    ...(await grantsSql(query, schema, names)),
    ...defaultPrivileges(schema, names),
  ]
}

function makeRole(name: string, login: 'login' | 'nologin'): string[] {
  return [
    `do $$ begin if not exists (select from pg_roles where rolname = '${name}') then create role ${name}; end if; end $$`,
    `alter role ${name} ${login}`,
  ]
}

/**
 * Whatever somebody else owns goes to the owner; nothing is locked where that is done already. Makes the table
 * of migrations if it is missing, so that it is there before the default privileges, which are not meant for it.
 */
async function handOver(query: RunQuery, schema: string, owner: string): Promise<string[]> {
  const { rows } = await query(
    `with schema as (select oid, nspowner from pg_catalog.pg_namespace where nspname = $1),
     things as (
       select nspowner as owner, 'schema' as kind, format('%I', $1::text) as name from schema
       union all
       select relowner, case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
         format('%I.%I', $1::text, relname)
       from pg_catalog.pg_class c join schema on relnamespace = schema.oid
       where relkind in ('r', 'p', 'v') or relkind = 'S' and not exists (
         select from pg_catalog.pg_depend
         where objid = c.oid and classid = 'pg_catalog.pg_class'::regclass and deptype in ('a', 'i'))
       union all
       select proowner, 'function', format('%I.%I(%s)', $1::text, proname, pg_get_function_identity_arguments(f.oid))
       from pg_catalog.pg_proc f join schema on pronamespace = schema.oid
     )
     select format('alter %s %s owner to %I', kind, name, $2::text) as sql from things
     where owner is distinct from (select oid from pg_catalog.pg_roles where rolname = $2)
     order by kind, name`,
    [schema, owner],
  )
  return [
    ...((await schemaExists(query, schema))
      ? []
      : [...createSchemaSql(schema), `alter schema "${schema}" owner to ${owner}`]),
    ...((await migrationsTableExists(query, schema))
      ? []
      : [
          ...createMigrationsTableSql(schema),
          `alter table "${schema}".${MIGRATIONS_TABLE} owner to ${owner}`,
        ]),
    ...rows.map(row => String(row.sql)),
  ]
}

/**
 * The service can use what a new migration makes at once. Readers cannot, until the grants are run again: a new
 * table may hold something that they must not see.
 */
function defaultPrivileges(schema: string, { owner, app }: RoleNames): string[] {
  const inSchema = `alter default privileges for role ${owner} in schema "${schema}"`
  return [
    `alter default privileges for role ${owner} revoke execute on functions from public`,
    `${inSchema} grant select, insert, update, delete on tables to ${app}`,
    `${inSchema} grant usage on sequences to ${app}`,
    `${inSchema} grant execute on functions to ${app}`,
  ]
}
