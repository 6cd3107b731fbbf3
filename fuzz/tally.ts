/** What was asked and what came of it, by API. */
export class Tally {
  readonly #statuses = new Map<string, Map<number, number>>()
  readonly #granted = new Set<string>()
  contended = 0

  add(api: string, what: string, status: number): void {
    const statuses = this.#statuses.get(api) ?? new Map<number, number>()
    this.#statuses.set(api, statuses)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (status >= 200 && status < 300) this.#granted.add(what)
  }

  /** Whether a call was ever answered 2xx: one that never was has not been tried in earnest. */
  wasGranted(what: string): boolean {
    return this.#granted.has(what)
  }

  get rows(): readonly (readonly [api: string, statuses: ReadonlyMap<number, number>])[] {
    return [...this.#statuses].sort(([one], [other]) => one.localeCompare(other))
  }
}
