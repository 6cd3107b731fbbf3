/** A request as a generator makes it: everything but what only a running service knows. */
export interface Draft {
  /** What is asked, for people: an operation's id, or an API and its route. */
  readonly what: string
  readonly method: string
  /** As it is sent, with `@{kind:number}` where something is meant that the service has answered before. */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Text may have `@{kind:number}` in it. */
  readonly body: string | Uint8Array | undefined
  /** Who asks, by a name of the cast, and in which way. */
  readonly signed: Signature
  readonly framing: Framing
}

export interface Signature {
  readonly who: string
  readonly way: string
}

/** How the body goes over the wire; `split`: in two writes. */
export type Framing = 'length' | 'chunked' | 'split'

/** What the service has answered, for later requests to name. Each kind keeps the newest. */
export class Memory {
  readonly #kept = new Map<string, string[]>()
  readonly #next = new Map<string, number>()
  readonly #fixed = new Map<string, string>()

  /** Something that there is one of, and that is not forgotten. */
  fix(kind: string, value: string): void {
    this.#fixed.set(kind, value)
  }

  keep(kind: string, value: string): void {
    const values = this.#kept.get(kind) ?? []
    this.#kept.set(kind, values)
    const next = this.#next.get(kind) ?? 0
    values[next % KEPT] = value
    this.#next.set(kind, next + 1)
  }

  forget(): void {
    this.#kept.clear()
    this.#next.clear()
  }

  /** The text with what it names; something of the same form, where nothing is kept. */
  resolve(text: string): string {
    if (!text.includes('@{')) return text
    return text.replaceAll(PLACEHOLDER, (_, kind: string, index: string) => {
      const fixed = this.#fixed.get(kind)
      if (fixed !== undefined) return fixed
      const values = this.#kept.get(kind) ?? []
      return values[Number(index) % values.length] ?? NOTHING_KEPT[kind] ?? ''
    })
  }
}

const KEPT = 64
const PLACEHOLDER = /@\{(\w+):(\d+)\}/g

const NOTHING_KEPT: Readonly<Record<string, string>> = {
  lock: '999999999999',
  lock_qcbin: '999999999999',
  key: '999999999999',
  session: '00000000-0000-4000-8000-000000000000',
  cursor: 'OTk5OTk5',
}

/**
 * Keeps what an answer of an API names: ids of locks and sessions, keys, cursors; never a victim's. Locks are kept once
 * more by the API that told of them (`lock_qcbin`), since few of them are another one's as well.
 */
export function keepFrom(
  memory: Memory,
  api: string,
  value: unknown,
  isKept: (owner: string) => boolean,
): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const element of value) keepFrom(memory, api, element, isKept)
    return
  }
  const fields = value as Record<string, unknown>
  const owner = fields.holder ?? fields.user ?? fields.owner
  if (typeof owner === 'string' && !isKept(owner)) return
  if (typeof owner === 'object' && owner !== null && 'name' in owner && !isKept(String(owner.name))) return
  for (const [name, member] of Object.entries(fields)) {
    if (typeof member === 'object') keepFrom(memory, api, member, isKept)
    else keepOne(memory, api, name, String(member), fields)
  }
}

/** Users whose keys may be revoked. */
export const DISPOSABLE: ReadonlySet<string> = new Set(['carol', 'dave'])

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

function keepOne(memory: Memory, api: string, name: string, text: string, of: Record<string, unknown>): void {
  if (name === 'next_cursor' && text !== 'null') memory.keep('cursor', text)
  else if ((name === 'id' || name === 'session' || name === 'sessionId') && UUID.test(text)) {
    memory.keep('session', text)
  } else if (name === 'id' && /^\d+$/.test(text)) {
    if (!('role' in of)) {
      memory.keep('lock', text)
      memory.keep(`lock_${api.slice(1)}`, text)
    }
    // the others' are those of the run
    else if (DISPOSABLE.has(String(of.user))) memory.keep('key', text)
  }
}
