import type { Choose } from './race.ts'

/**
 * Takes every way there is: `run` is called again and again, each time with another series of choices, until none is
 * left. The same choices have to lead to the same.
 */
export async function everyWay(run: (choose: Choose) => Promise<void>): Promise<number> {
  let wanted: number[] = []
  for (let runs = 1; ; runs += 1) {
    const taken: { choice: number; ways: number }[] = []
    await run(ways => {
      const choice = Math.min(wanted[taken.length] ?? 0, ways - 1)
      taken.push({ choice, ways })
      return choice
    })
    while (taken.length > 0 && isLast(taken.at(-1))) taken.pop()
    const last = taken.at(-1)
    if (last === undefined) return runs
    last.choice += 1
    wanted = taken.map(({ choice }) => choice)
  }
}

/** One way, each choice by the next number in [0, 1). */
export function randomWay(random: () => number): Choose {
  return ways => Math.floor(random() * ways)
}

function isLast(step: { choice: number; ways: number } | undefined): boolean {
  return step !== undefined && step.choice + 1 >= step.ways
}
