/**
 * What the locks protect, in a system of its own: a counter a resource, read under the lock and written back
 * increased. Once it looks at fencing tokens and once it does not.
 */
export class ProtectedLists {
  readonly #unfenced = new Map<number, number>()
  readonly #fenced = new Map<number, { value: number; fence: number }>()
  unfencedWrites = 0
  fencedWrites = 0
  /** Writes of former holders that the fence kept out. */
  fencedOff = 0

  /** Before anything is read for the last time, the fence is raised; undefined where a later holder has been here. */
  read(key: number, token: number): { unfenced: number; fenced: number | undefined } {
    const entry = this.#fenced.get(key) ?? { value: 0, fence: 0 }
    this.#fenced.set(key, entry)
    if (token >= entry.fence) entry.fence = token
    return {
      unfenced: this.#unfenced.get(key) ?? 0,
      fenced: token === entry.fence ? entry.value : undefined,
    }
  }

  write(key: number, token: number, read: { unfenced: number; fenced: number | undefined }): void {
    this.#unfenced.set(key, read.unfenced + 1)
    this.unfencedWrites += 1
    const entry = this.#fenced.get(key)
    if (read.fenced === undefined || entry === undefined || entry.fence !== token) {
      this.fencedOff += 1
      return
    }
    entry.value = read.fenced + 1
    this.fencedWrites += 1
  }

  get unfencedLost(): number {
    return this.unfencedWrites - sum(this.#unfenced.values())
  }

  get fencedLost(): number {
    return this.fencedWrites - sum([...this.#fenced.values()].map(({ value }) => value))
  }
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
