/** Questions to another process that wait for their answers. */
export class Questions<Answer> {
  readonly #open = new Map<number, (answer: Answer | undefined) => void>()
  #lastId = 0

  /** Resolves with undefined where no answer comes in time, or the other process is gone. */
  async ask(waitMs: number, send: (id: number) => void): Promise<Answer | undefined> {
    this.#lastId += 1
    const id = this.#lastId
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Answer | undefined>(resolve => {
        this.#open.set(id, resolve)
        timer = setTimeout(() => resolve(undefined), waitMs)
        send(id)
      })
    } finally {
      clearTimeout(timer)
      this.#open.delete(id)
    }
  }

  answer(id: number, answer: Answer): void {
    this.#open.get(id)?.(answer)
  }

  /** The other process is gone. */
  giveUp(): void {
    for (const resolve of this.#open.values()) resolve(undefined)
  }
}
