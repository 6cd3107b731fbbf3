import pg from 'pg'
import { type Client, ClosedLoops, type Recorder } from '../load.ts'
import { pairs } from '../pairs.ts'
import { SESSION_SETTINGS } from './plain-table.ts'

/** What pgbench does, where it is not installed. */
export function plainStatements(
  url: string,
  table: string,
  connections: number,
  run: string,
): Promise<ClosedLoops> {
  return ClosedLoops.start(connections, (index, recorder) =>
    insertAndDelete(url, table, recorder, `${run}-${index}`),
  )
}

async function insertAndDelete(url: string, table: string, recorder: Recorder, id: string): Promise<Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'leasehold bench',
    options: SESSION_SETTINGS,
  })
  client.on('error', () => {})
  await client.connect()
  const insert = {
    name: 'insert',
    text: `insert into ${table} (namespace, resource_type, resource_id) values ('bench', 'item', $1) returning id`,
  }
  const remove = {
    name: 'delete',
    text: `delete from ${table} where namespace = 'bench' and resource_type = 'item' and resource_id = $1`,
  }
  return pairs(recorder, {
    async acquire(number) {
      const values = [`${id}-${number}`]
      await client.query({ ...insert, values })
      return values
    },
    release: values => client.query({ ...remove, values }),
    close: () => void client.end().catch(() => {}),
  })
}
