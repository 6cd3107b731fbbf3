import { SCHEMA_NAME } from '../database.ts'
import { MigrationError } from './migration-error.ts'

/** Runs one statement with parameters: `pg.Client.query` has this shape, and so does a pool's. */
export type RunQuery = (
  sql: string,
  parameters: readonly unknown[],
) => Promise<{ readonly rows: readonly Record<string, unknown>[] }>

export interface AppliedMigration {
  readonly name: string
  readonly appliedAt: Date
  readonly checksum: string
}

export const MIGRATIONS_TABLE = 'schema_migrations'
/** The column's default reads it, so the checksum is in the very row that says "applied", never beside it. */
export const CHECKSUM_SETTING = 'leasehold.migration_checksum'

/**
 * The schema's name goes into SQL between quotes, and node-pg-migrate does not escape it.
 * Throws a MigrationError for one that would need escaping.
 */
export function checkSchemaName(schema: string): void {
  if (!SCHEMA_NAME.test(schema) || schema.startsWith('pg_')) {
    throw new MigrationError(
      `"${schema}" cannot be the schema: use at most 63 lower-case letters, digits and underscores, no digit first, not pg_...`,
    )
  }
}

export async function schemaExists(query: RunQuery, schema: string): Promise<boolean> {
  const { rows } = await query('select from pg_catalog.pg_namespace where nspname = $1', [schema])
  return rows.length > 0
}

/** Looks in the catalog, so that asking for a table that is not there leaves no error in the server's log. */
export async function migrationsTableExists(query: RunQuery, schema: string): Promise<boolean> {
  const { rows } = await query(
    `select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = $2 and c.relkind = 'r'`,
    [schema, MIGRATIONS_TABLE],
  )
  return rows.length > 0
}

/** What has been applied, by name. Empty where there is no table yet. */
export async function readAppliedMigrations(
  query: RunQuery,
  schema: string,
): Promise<readonly AppliedMigration[]> {
  checkSchemaName(schema)
  if (!(await migrationsTableExists(query, schema))) return []
  if (!(await hasOurColumns(query, schema))) {
    throw new MigrationError(
      `"${schema}".${MIGRATIONS_TABLE} is not a table of this service; give the service a schema of its own`,
    )
  }
  const { rows } = await query(
    `select name, run_on as "appliedAt", checksum from "${schema}".${MIGRATIONS_TABLE} order by name`,
    [],
  )
  return rows as unknown as readonly AppliedMigration[]
}

async function hasOurColumns(query: RunQuery, schema: string): Promise<boolean> {
  const { rows } = await query(
    `select from pg_catalog.pg_attribute
     where attrelid = to_regclass($1) and attname in ('name', 'run_on', 'checksum') and not attisdropped`,
    [`"${schema}".${MIGRATIONS_TABLE}`],
  )
  return rows.length === 3
}

/** Statements that make the schema. */
export function createSchemaSql(schema: string): string[] {
  return [
    `create schema "${schema}"`,
    `comment on schema "${schema}" is 'Leasehold, the lock service. Changed by its migrations alone: schema_migrations lists them.'`,
  ]
}

/**
 * Statements that make the table of migrations. node-pg-migrate would make one of its own, without time zone
 * and checksum; it takes this one as it is, because its name and the columns that it writes are the same.
 */
export function createMigrationsTableSql(schema: string): string[] {
  const table = `"${schema}".${MIGRATIONS_TABLE}`
  return [
    `create table ${table} (
  id integer generated always as identity
    constraint schema_migrations_pkey primary key,
  name text collate "C" not null
    constraint schema_migrations_name_key unique,
  run_on timestamptz not null,
  checksum text collate "C" not null default current_setting('${CHECKSUM_SETTING}', true)
    constraint schema_migrations_checksum_is_sha256 check (checksum ~ '^[0-9a-f]{64}$')
)`,
    `comment on table ${table} is 'The migrations that have been applied to this schema. Written by "npm run migrate"; a row is added in the transaction of its migration.'`,
    `comment on column ${table}.id is 'In the order of application.'`,
    `comment on column ${table}.name is 'The file of the migration, without .sql.'`,
    `comment on column ${table}.run_on is 'When the migration was applied, on the database''s clock.'`,
    `comment on column ${table}.checksum is 'SHA-256 of the file as it was applied, line endings normalised. "npm run migrate -- check" compares.'`,
  ]
}
