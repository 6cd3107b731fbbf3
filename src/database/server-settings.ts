/** What the server of a connection says about itself. */
export interface ServerSettings {
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly synchronous_standby_names: string
  readonly transaction_isolation: string
  readonly in_recovery: boolean
}

export const SERVER_SETTINGS_SQL = `select
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  current_setting('synchronous_standby_names') as synchronous_standby_names,
  current_setting('transaction_isolation') as transaction_isolation,
  pg_is_in_recovery() as in_recovery`

/**
 * Why locks granted on such a server could be lost after they were answered; empty when they could not.
 * `local` flushes here but does not wait for the standby that the server is told to wait for.
 */
export function unsafeSettings(settings: ServerSettings): readonly string[] {
  const problems: string[] = []
  if (settings.in_recovery) problems.push('the server is a standby: connect to the primary')
  if (settings.fsync === 'off') problems.push('fsync is off: a crash can lose granted locks')
  if (settings.full_page_writes === 'off') {
    problems.push('full_page_writes is off: a crash can damage the tables')
  }
  if (settings.synchronous_commit === 'off') {
    problems.push('synchronous_commit is off: a crash loses the last granted locks')
  }
  if (settings.synchronous_commit === 'local' && settings.synchronous_standby_names !== '') {
    problems.push('synchronous_commit is local: a failover to the standby loses granted locks')
  }
  if (settings.transaction_isolation !== 'read committed') {
    problems.push(
      `default_transaction_isolation is ${settings.transaction_isolation}: the end of a session leaves locks behind that were granted while it waited; it has to be read committed`,
    )
  }
  return problems
}
