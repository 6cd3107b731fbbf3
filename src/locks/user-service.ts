import { LRUCache } from 'lru-cache'
import type { User, UserStore } from './user.ts'

/** Users in the cache; an entry is some 100 bytes. */
const CACHED_USERS = 10_000

/** Largest number of a user: they are PostgreSQL integers. */
const MAX_NUMBER = 2 ** 31 - 1

/** Numbers of users. A user keeps name and number for ever, so what was found once need not be asked again. */
export class UserService {
  readonly #store: UserStore
  readonly #numbers = new LRUCache<string, number>({ max: CACHED_USERS })

  constructor(store: UserStore) {
    this.#store = store
  }

  /** The number of each name. Every holder of a lock has one, since holders come from keys. */
  async numbersOf(names: Iterable<string>): Promise<ReadonlyMap<string, number>> {
    const numbers = new Map<string, number>()
    const unknown: string[] = []
    for (const name of new Set(names)) {
      const number = this.#numbers.get(name)
      if (number === undefined) unknown.push(name)
      else numbers.set(name, number)
    }
    if (unknown.length > 0) {
      for (const { name, number } of await this.#store.findByNames(unknown)) {
        this.#numbers.set(name, number)
        numbers.set(name, number)
      }
    }
    return numbers
  }

  async numberOf(name: string): Promise<number> {
    const number = (await this.numbersOf([name])).get(name)
    if (number === undefined) throw new Error(`the user ${name} has no number`)
    return number
  }

  async findByName(name: string): Promise<User | undefined> {
    const number = (await this.numbersOf([name])).get(name)
    return number === undefined ? undefined : { name, number }
  }

  async findByNumber(number: number): Promise<User | undefined> {
    if (!Number.isInteger(number) || number < 1 || number > MAX_NUMBER) return undefined
    return this.#store.findByNumber(number)
  }
}
