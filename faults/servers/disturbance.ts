// Loaded into a service ahead of its own code: lets the harness shift its clock and stall its event loop.
// SIGUSR2 says that the file named by FAULTS_DISTURBANCE has something new; what was done goes to the same name + .done.
import { readFileSync, writeFileSync } from 'node:fs'

/** What is asked of a service. */
export interface Disturbance {
  readonly clockOffsetMs: number
  readonly stallMs: number
}

const file = process.env.FAULTS_DISTURBANCE

if (file !== undefined) {
  const SystemDate = Date
  let offsetMs = 0
  class ShiftedDate extends SystemDate {
    constructor(...values: []) {
      if (values.length === 0) super(SystemDate.now() + offsetMs)
      else super(...values)
    }

    static override now(): number {
      return SystemDate.now() + offsetMs
    }
  }
  globalThis.Date = ShiftedDate as DateConstructor

  process.on('SIGUSR2', () => {
    const { clockOffsetMs, stallMs }: Disturbance = JSON.parse(readFileSync(file, 'utf8'))
    offsetMs = clockOffsetMs
    const until = performance.now() + stallMs
    while (performance.now() < until);
    writeFileSync(`${file}.done`, JSON.stringify({ aheadMs: Date.now() - SystemDate.now(), stallMs }))
  })
}
