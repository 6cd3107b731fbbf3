/**
 * How fast a sweep goes. It takes locks on rows, writes to the log that everybody's commits wait for, and uses a core
 * while it works: clients notice a batch that takes long, and many that follow at once. It is in no hurry.
 */

/** What a batch should take: no longer than clients wait for an answer of a busy service. */
const GOOD_BATCH_MS = 20

export const FIRST_BATCH = 100
/** Where every statement takes long a smaller one is hardly quicker, and a sweep has to come to its end. */
const SMALLEST_BATCH = 100
const LARGEST_BATCH = 500

/** A sweep works a quarter of its time. */
const REST = 3
const LONGEST_REST_MS = 150

/** How many rows the next step may take at most, after one that found `found` of at most `batch`. */
export function nextBatch(batch: number, found: number, tookMs: number): number {
  if (found < batch / 2) return batch
  if (tookMs > 2 * GOOD_BATCH_MS) return Math.min(batch, Math.max(SMALLEST_BATCH, Math.ceil(batch / 2)))
  if (tookMs < GOOD_BATCH_MS / 2) return Math.min(LARGEST_BATCH, batch * 2)
  return batch
}

/** How long to let others work after a step. The jitter keeps several sweepers from marching in step. */
export function pauseMs(tookMs: number): number {
  return Math.min(REST * tookMs, LONGEST_REST_MS) * (0.75 + Math.random() / 2)
}
