export interface MigrationSettings {
  /** A direct connection: the lock of the migrations is a session's, which PgBouncer in transaction mode breaks. */
  readonly url: string
  /** Made by the first `up` if it is not there. */
  readonly schema: string
  /** The folder of the migrations; the repository's own if not given. */
  readonly directory?: URL | string
  /** Told of every migration and of every wait. */
  readonly log?: (line: string) => void
  /**
   * How long a statement may wait for a lock on a table before its migration is rolled back and tried again.
   * Everybody else's statements on that table queue behind the one that waits, so this is short. Default 2000.
   */
  readonly lockTimeoutMs?: number
  /** How often a migration is tried that meets locks. Default 30. */
  readonly attempts?: number
  /** How long to wait for another run of the migrations to end. Default 600000. */
  readonly otherRunTimeoutMs?: number
}
