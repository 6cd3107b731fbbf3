import { VICTIM, VICTIMS } from './cast.ts'

export type Query = <Row extends object>(sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>

interface Table {
  readonly name: string
  /** Only ever added to, and too long to be read again and again. */
  readonly isLog: boolean
}

/** What the tables were like, to compare with. */
export interface Print {
  /** On the database's clock. */
  readonly at: string
  readonly tables: ReadonlyMap<string, string>
}

interface Kept {
  readonly keys: readonly string[]
  readonly sessions: readonly string[]
}

/** The tables of a schema, to see what changed in them and to clear them. Rows of the victim stay for ever. */
export class Tables {
  readonly #query: Query
  readonly #schema: string
  readonly #tables: readonly Table[]
  readonly #kept: Kept

  private constructor(query: Query, schema: string, tables: readonly Table[], kept: Kept) {
    this.#query = query
    this.#schema = schema
    this.#tables = tables
    this.#kept = kept
  }

  /** To be called when the victim's rows and all keys of the run are there. */
  static async open(query: Query, schema: string): Promise<Tables> {
    const tables = await query<Table>(
      `select relname as name, relkind = 'p' as "isLog" from pg_class
       where relnamespace = $1::regnamespace and relkind in ('r', 'p') and not relispartition
         and relname <> 'schema_migrations' order by relname`,
      [schema],
    )
    const sessions = await query<{ id: string }>(`select id from ${schema}.sessions where user_name = $1`, [
      VICTIM,
    ])
    const keys = await query<{ id: string }>(`select id from ${schema}.api_keys`)
    return new Tables(query, schema, tables, {
      keys: keys.map(({ id }) => id),
      sessions: sessions.map(({ id }) => id),
    })
  }

  async print(): Promise<Print> {
    const [row] = await this.#query<{ now: string }>('select clock_timestamp()::text as now')
    const at = row?.now ?? ''
    return { at, tables: await this.#printsOf(at) }
  }

  /** The tables with other rows than then, and those with more of them where they only grow. */
  async changedSince({ at, tables }: Print): Promise<readonly string[]> {
    const changed: string[] = []
    for (const [name, print] of await this.#printsOf(at)) {
      const before = tables.get(name) ?? ''
      if (print !== before && (await this.#isChanged(name, before))) changed.push(name)
    }
    return changed
  }

  /**
   * Of each table, a text that is another one when a row is; of a log, the last number that was drawn for one. Sessions
   * of sign-ins are looked at where they began before `since`, and without their last touch: what a sign-in is shown with
   * is a sign of its life, also where the request is refused, and a refused request may have signed in.
   */
  async #printsOf(since: string): Promise<ReadonlyMap<string, string>> {
    const prints = new Map<string, string>()
    for (const { name, isLog } of this.#tables) {
      const [row] = await this.#query<{ print: string }>(
        isLog
          ? `select last_value::text as print from ${this.#schema}.${name}_id_seq`
          : `select coalesce(md5(string_agg(row, e'\\n' order by row)), '') as print
             from (select ${rowOf(name)} as row from ${this.#schema}.${name} t ${whereOf(name)}) rows`,
        !isLog && name === 'sessions' ? [since] : [],
      )
      prints.set(name, row?.print ?? '')
    }
    return prints
  }

  /** A number is drawn also for a row that does not come to be. */
  async #isChanged(name: string, before: string): Promise<boolean> {
    if (!this.#tables.some(table => table.name === name && table.isLog)) return true
    const rows = await this.#query(`select from ${this.#schema}.${name} where id > $1 limit 1`, [before])
    return rows.length > 0
  }

  /** Of everything that is the victim's. */
  async victims(): Promise<string> {
    const { sessions, keys } = this.#kept
    const [row] = await this.#query<{ print: string }>(
      `select md5(concat_ws(e'\\n',
         (select string_agg(l::text, e'\\n' order by l::text) from ${this.#schema}.locks l where session_id = any($1)),
         (select string_agg(s::text, e'\\n' order by s::text) from ${this.#schema}.sessions s where id = any($1)),
         (select string_agg(k::text, e'\\n' order by k::text) from ${this.#schema}.api_keys k where id = any($2)),
         (select string_agg(r::text, e'\\n' order by r::text) from ${this.#schema}.resources r where namespace = $3)
       )) as print`,
      [sessions, keys, VICTIMS],
    )
    return row?.print ?? ''
  }

  /** Takes away what requests have left, so that the tables stay small and requests go on meeting each other. Users stay. */
  async clear(): Promise<void> {
    const { sessions, keys } = this.#kept
    const within = (sql: string, values: readonly unknown[]) =>
      this.#query(sql.replaceAll('@', `${this.#schema}.`), values)
    await within('delete from @sessions where id <> all($1)', [sessions])
    await within('delete from @api_keys where id <> all($1)', [keys])
    await within('delete from @selection_elements where namespace <> $1', [VICTIMS])
    await within('delete from @resources where namespace <> $1', [VICTIMS])
    await within('delete from @namespaces where name <> $1', [VICTIMS])
  }
}

function rowOf(table: string): string {
  return table === 'sessions'
    ? `case when secret_hash is null then t::text else concat_ws(' ', id, user_name, ended_at, end_reason) end`
    : 't::text'
}

function whereOf(table: string): string {
  return table === 'sessions' ? 'where secret_hash is null or started < $1::timestamptz' : ''
}
