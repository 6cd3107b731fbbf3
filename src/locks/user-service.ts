import { LRUCache } from 'lru-cache'
import type { User, UserStore } from './user.ts'

/** Users in the cache; an entry is some 200 bytes. */
const CACHED_USERS = 10_000

/** Largest number of a user: they are PostgreSQL integers. */
const MAX_NUMBER = 2 ** 31 - 1

/** Numbers of users. Nothing of a user ever changes, so what was found once need not be asked again. */
export class UserService {
  readonly #store: UserStore
  readonly #users = new LRUCache<string, User>({ max: CACHED_USERS })

  constructor(store: UserStore) {
    this.#store = store
  }

  /** The number of each name. Every holder of a lock has one, since holders come from keys. */
  async numbersOf(names: Iterable<string>): Promise<ReadonlyMap<string, number>> {
    const users = await this.#usersOf(names)
    return new Map(users.map(({ name, number }) => [name, number]))
  }

  async numberOf(name: string): Promise<number> {
    const user = await this.findByName(name)
    if (user === undefined) throw new Error(`the user ${name} has no number`)
    return user.number
  }

  async findByName(name: string): Promise<User | undefined> {
    const [user] = await this.#usersOf([name])
    return user
  }

  async findByNumber(number: number): Promise<User | undefined> {
    if (!Number.isInteger(number) || number < 1 || number > MAX_NUMBER) return undefined
    return this.#store.findByNumber(number)
  }

  async #usersOf(names: Iterable<string>): Promise<readonly User[]> {
    const users: User[] = []
    const unknown: string[] = []
    for (const name of new Set(names)) {
      const user = this.#users.get(name)
      if (user === undefined) unknown.push(name)
      else users.push(user)
    }
    if (unknown.length === 0) return users
    const found = await this.#store.findByNames(unknown)
    for (const user of found) this.#users.set(user.name, user)
    return [...users, ...found]
  }
}
