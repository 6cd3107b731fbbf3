import { handmade, type Room } from '../clients/lock-client.ts'
import { nowUs } from '../history/clock.ts'
import type { Cluster } from '../servers/cluster.ts'
import type { Hand } from './fault.ts'

/** A DBA who removes rows by hand, and whose doings are part of the history. */
export class Dba implements Hand {
  readonly schema: string
  readonly namespace: string
  readonly #cluster: Cluster
  readonly #room: Room

  constructor(schema: string, cluster: Cluster, room: Room) {
    this.schema = schema
    this.namespace = room.namespace
    this.#cluster = cluster
    this.#room = room
  }

  async deleteLock(): Promise<boolean> {
    const found = await this.#someLock()
    if (found === undefined) return false
    return this.#change(`delete from ${this.schema}.locks where id = $1 returning id`, found.id, {
      kind: 'delete_by_hand',
      keys: [found.key],
      session: null,
      lock: found.id,
    })
  }

  async endSession(): Promise<boolean> {
    const found = await this.#someLock()
    if (found === undefined) return false
    const rows = await this.#cluster.primary.query<{ resource_id: string }>(
      `select resource_id from ${this.schema}.locks where session_id = $1`,
      [found.session],
    )
    return this.#change(
      `update ${this.schema}.sessions set ended_at = now() where id = $1 and ended_at is null returning id`,
      found.session,
      {
        kind: 'end_by_hand',
        keys: rows.map(row => keyOf(row.resource_id)),
        session: found.session,
        lock: null,
      },
    )
  }

  async #someLock(): Promise<{ id: string; session: string; key: number } | undefined> {
    const [row] = await this.#cluster.primary.query<{ id: string; session_id: string; resource_id: string }>(
      `select id, session_id, resource_id from ${this.schema}.locks where namespace = $1 order by random() limit 1`,
      [this.namespace],
    )
    return row && { id: row.id, session: row.session_id, key: keyOf(row.resource_id) }
  }

  /** Of a change that found nothing any more there is nothing to tell. */
  async #change(sql: string, id: string, names: Parameters<typeof handmade>[1]): Promise<boolean> {
    const client = await this.#cluster.primary.connect()
    const sentUs = nowUs()
    try {
      const { rowCount } = await client.query(sql, [id])
      if ((rowCount ?? 0) === 0) return false
      handmade(this.#room, names, sentUs, 'ok')
      return true
    } catch (error) {
      handmade(this.#room, names, sentUs, 'unknown')
      throw error
    } finally {
      void client.end().catch(() => {})
    }
  }
}

function keyOf(resourceId: string): number {
  return Number(resourceId.slice(1))
}
