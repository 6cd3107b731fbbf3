/** Open connections of each client address; an address without any takes no memory. */
export class ConnectionCounts {
  readonly #limit: number
  readonly #counts = new Map<string, number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False: the address has as many as it may, and this one is not counted. */
  add(origin: string): boolean {
    const count = this.#counts.get(origin) ?? 0
    if (count >= this.#limit) return false
    this.#counts.set(origin, count + 1)
    return true
  }

  remove(origin: string): void {
    const count = this.#counts.get(origin) ?? 0
    if (count > 1) this.#counts.set(origin, count - 1)
    else this.#counts.delete(origin)
  }
}
