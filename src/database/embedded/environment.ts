/**
 * The environment of PostgreSQL's own programs. Not the service's: that one holds secrets, which any SQL
 * superuser could read, and PGDATA, PGPORT, LC_* and LD_LIBRARY_PATH meant for other servers.
 */
export function serverEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  if (process.platform === 'win32') {
    return Object.fromEntries(
      Object.entries(environment).filter(([name]) =>
        /^(path|systemroot|systemdrive|temp|tmp|windir)$/i.test(name),
      ),
    )
  }
  const kept = ['PATH', 'TZ'].flatMap(name => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}
