/** Lines kept; more would only be scrolled past. */
const MOST = 20

/** What the service says of errors of its own, on a log of which only the end is kept. */
export class ErrorLines {
  readonly #lines = new Set<string>()

  get all(): readonly string[] {
    return [...this.#lines]
  }

  /** To be called often enough that nothing has scrolled past. */
  read(log: string): void {
    for (const line of log.split('\n')) {
      if (this.#lines.size >= MOST) return
      if (/"level":[56]0/.test(line)) this.#lines.add(line)
    }
  }
}
