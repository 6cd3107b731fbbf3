import type { Control } from './control.ts'

/** The service as it is, on a database that loses what it has confirmed. */
export const BROKEN_DATABASES: readonly Control[] = [
  {
    name: 'asynchronous-commit',
    what: 'works on a server that answers a commit before it is on the disk',
    databaseSettings: { synchronous_commit: 'off', wal_writer_delay: '1s' },
    serviceSettings: { ALLOW_UNSAFE_DATABASE: 'true' },
    topology: 'single',
    faults: ['PostgreSQL killed', 'PostgreSQL stopped immediately'],
    faultsPerMinute: 60,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
  {
    name: 'asynchronous-standby',
    what: 'fails over to a standby that no commit has waited for',
    topology: 'pair',
    isAsynchronous: true,
    faults: ['commits cut off while they wait before a failover'],
    faultsPerMinute: 60,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
]
