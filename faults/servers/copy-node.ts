import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../../src/database/embedded/program.ts'
import type { PostgresNode } from './postgres-node.ts'

/** What a copy must not have: it is the running server's own, or comes with replication. */
const LEFT_OUT = new Set([
  'pg_wal',
  'postmaster.pid',
  'postmaster.opts',
  'pg_replslot',
  'pg_stat_tmp',
  'pg_dynshmem',
  'pg_notify',
  'pg_subtrans',
  'pg_serial',
  'pg_snapshots',
  'backup_label',
  'standby.signal',
])
const COPY_TIMEOUT_MS = 120_000

/**
 * Makes a standby's folder out of a running server's: what pg_basebackup does, for a PostgreSQL that has only its
 * server programs. The WAL comes by replication, so the server has to keep it meanwhile.
 */
export async function copyNode(from: PostgresNode, to: PostgresNode): Promise<void> {
  await to.makeFolder()
  const client = await from.connect('postgres')
  try {
    await client.query(`select pg_backup_start('standby', true)`)
    const names = (await readdir(from.folder)).filter(name => !LEFT_OUT.has(name))
    const { stderr, code } = await runProgram(
      'cp',
      ['-a', '--reflink=auto', ...names.map(name => join(from.folder, name)), to.folder],
      { timeoutMs: COPY_TIMEOUT_MS },
    )
    // a file that is dropped while it is copied is dropped again by the WAL
    const serious = stderr.split('\n').filter(line => line !== '' && !line.includes('No such file'))
    if (code === undefined || serious.length > 0) throw new Error(`the copy failed: ${serious.join('\n')}`)
    for (const name of LEFT_OUT) {
      if (!name.startsWith('pg_')) continue
      const path = join(to.folder, name)
      await mkdir(path, { mode: 0o700 })
      await to.give(path)
    }
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    await to.write('backup_label', rows[0]?.labelfile ?? '')
    await to.write('standby.signal', '')
  } finally {
    void client.end().catch(() => {})
  }
}
