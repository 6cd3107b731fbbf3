/** Somebody who has had a key. */
export interface User {
  /** For APIs that show numbers; never that of another user. */
  readonly number: number
  readonly name: string
  /** When the first key of the user was made. */
  readonly created: Date
}

/** Where users live. Throws `DatabaseTrouble` like LockStore. */
export interface UserStore {
  /** Those of these names that exist, in any order. */
  findByNames(names: readonly string[]): Promise<readonly User[]>
  findByNumber(number: number): Promise<User | undefined>
}
