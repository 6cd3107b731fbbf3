import type { ColumnType, Generated } from 'kysely'

/**
 * The tables as kysely sees them: names and shapes of `migrations/`. bigint arrives as text, timestamptz as
 * Date, except that `infinity` arrives as the number Infinity.
 */
export interface Tables {
  sessions: SessionsTable
  locks: LocksTable
  users: UsersTable
  api_keys: ApiKeysTable
  namespaces: NamespacesTable
  resources: ResourcesTable
  lock_events: LockEventsTable
}

export type Timestamp = Date | number

interface SessionsTable {
  id: string
  user_name: string
  client: string | null
  /** Read it as `extract(epoch from ttl)`. */
  ttl: ColumnType<never>
  named: boolean
  ends_with_last_lock: boolean
  started: Timestamp
  last_touch: Timestamp
  expires_at: Timestamp
  ended_at: Timestamp | null
  end_reason: string | null
}

interface LocksTable {
  id: Generated<string>
  namespace: string
  resource_type: string
  resource_id: string
  session_id: string
  fencing_token: string
  holder: string
  lock_time: Date
  reference: string | null
  metadata: ColumnType<Readonly<Record<string, unknown>>, string, never>
}

interface UsersTable {
  id: Generated<number>
  name: string
  created: Generated<Date>
}

interface ApiKeysTable {
  id: Generated<string>
  user_id: number
  key_hash: Buffer
  role: 'viewer' | 'locker' | 'admin'
  namespace: string
  created: Generated<Date>
  expires_at: Date | null
  revoked_at: Date | null
  first: Generated<boolean>
}

interface NamespacesTable {
  name: string
  is_closed: boolean
  catalogue_version: Generated<string>
}

interface ResourcesTable {
  namespace: string
  resource_type: string
  resource_id: string
  parent_type: string | null
  parent_id: string | null
  kind: 'object' | 'selection'
}

interface LockEventsTable {
  id: Generated<string>
  /** 64 bits, as text. */
  xid: Generated<string>
  at: Date
  lock_time: Date
  expired_at: Date | null
  lock_id: string
  fencing_token: string
  session_id: string
  kind: string
  namespace: string
  resource_type: string
  resource_id: string
  holder: string
  client: string | null
  ended_by: string | null
  reason: string | null
}
