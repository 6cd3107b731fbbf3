/**
 * The server's settings: as durable as PostgreSQL is by default, said aloud, and small. They are given on the
 * command line, so that every start has those of this version.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_buffers: '128MB',
  jit: 'off',
  // A wait for a row lock is short here; a deadlock, if there ever is one, should not look like an outage.
  deadlock_timeout: '200ms',
  // Tables are small and change all the time: a late vacuum costs more than a frequent one.
  autovacuum_naptime: '5s',
  log_line_prefix: '%m [%p] ',
  // Refused statements are answers to the service, which reports them itself; here they would fill the disk.
  log_min_messages: 'log',
  log_checkpoints: 'off',
}

/** The arguments of `postgres` for a port and settings that override ours. */
export function settingArguments(port: number, overrides: Readonly<Record<string, string>>): string[] {
  const all: Record<string, string> = { ...SETTINGS }
  // A waiting statement of a client that is gone would go on and commit; Windows cannot watch for that.
  if (process.platform !== 'win32') all.client_connection_check_interval = '500ms'
  Object.assign(all, overrides, { port: String(port) })
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}
