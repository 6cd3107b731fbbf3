/** Roles belong to the whole server: two services on one server need two prefixes. */
export interface RoleNames {
  /** Cannot log in. Owns the schema and everything in it. */
  readonly owner: string
  /** Logs in to migrate, as the owner. */
  readonly migrator: string
  /** The service's. */
  readonly app: string
  /** Cannot log in. Granted to people who look into the tables. */
  readonly reader: string
  /** Cannot log in. Granted to applications that check locks where their data is. */
  readonly fencing: string
}

export const DEFAULT_ROLE_PREFIX = 'leasehold'

/** Names go into SQL as they are, so this is all that a prefix may be. */
export function isRolePrefix(text: string): boolean {
  return /^[a-z_][a-z0-9_]{0,49}$/.test(text) && !text.startsWith('pg_')
}

export function roleNames(prefix: string = DEFAULT_ROLE_PREFIX): RoleNames {
  if (!isRolePrefix(prefix)) throw new TypeError(`not a prefix of role names: ${prefix}`)
  return {
    owner: `${prefix}_owner`,
    migrator: `${prefix}_migrator`,
    app: `${prefix}_app`,
    reader: `${prefix}_reader`,
    fencing: `${prefix}_fencing`,
  }
}
