import pg from 'pg'

/** Tells for whom backends wait. Those who ask while it is at work share the next question. */
export class Monitor {
  readonly #client: pg.Client
  #next: { readonly pids: Set<number>; readonly answer: Promise<Map<number, readonly number[]>> } | undefined
  #busy: Promise<unknown> = Promise.resolve()

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async open(t: { teardown(task: () => Promise<void>): void }, url: string): Promise<Monitor> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    t.teardown(() => client.end())
    return new Monitor(client)
  }

  /** By backend, the ones it waits for: none where it does not wait. Looked at after this was called. */
  blockers(pids: readonly number[]): Promise<Map<number, readonly number[]>> {
    this.#next ??= this.#ask()
    for (const pid of pids) this.#next.pids.add(pid)
    return this.#next.answer
  }

  #ask() {
    const pids = new Set<number>()
    const answer = this.#busy.then(async () => {
      this.#next = undefined
      const { rows } = await this.#client.query<{ pid: number; blockers: number[] }>({
        name: 'blockers',
        text: 'select pid, pg_blocking_pids(pid) as blockers from unnest($1::int[]) as pid',
        values: [[...pids]],
      })
      return new Map(rows.map(row => [row.pid, row.blockers]))
    })
    this.#busy = answer.catch(() => {})
    return { pids, answer }
  }
}
