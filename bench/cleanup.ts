interface Task {
  readonly what: string
  readonly undo: () => Promise<unknown> | unknown
  readonly atOnce: () => void
}

/** What has to be stopped and removed again, the last one first, whatever happens. */
export class Cleanup {
  readonly #tasks: Task[] = []

  /** `atOnce` is for the end of the process, when nothing can be waited for any more. */
  add(what: string, undo: () => Promise<unknown> | unknown, atOnce: () => void): void {
    this.#tasks.push({ what, undo, atOnce })
  }

  /** Does everything; returns what could not be done. Safe to call twice. */
  async run(): Promise<readonly string[]> {
    const troubles: string[] = []
    for (let task = this.#tasks.at(-1); task !== undefined; task = this.#tasks.at(-1)) {
      try {
        await task.undo()
      } catch (error) {
        troubles.push(`${task.what}: ${error instanceof Error ? error.message : String(error)}`)
      }
      // only now: should the process end meanwhile, it is done at once
      this.#tasks.splice(this.#tasks.indexOf(task), 1)
    }
    return troubles
  }

  runAtOnce(): void {
    for (const task of this.#tasks.toReversed()) {
      try {
        task.atOnce()
      } catch {
        // the others still have to be done
      }
    }
  }
}
