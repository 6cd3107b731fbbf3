// Judges histories away from the thread that makes them.
import { parentPort } from 'node:worker_threads'
import { readHistory } from '../history/history-file.ts'
import { type CheckOptions, checkHistory } from './check-history.ts'
import type { Verdict } from './violation.ts'

export interface CheckRequest {
  readonly path: string
  readonly options: CheckOptions
}
export type CheckReply = { readonly verdict: Verdict } | { readonly error: string }

const port = parentPort
port?.on('message', ({ path, options }: CheckRequest) => {
  void readHistory(path)
    .then(history => ({ verdict: checkHistory(history, options) }))
    .catch((error: unknown) => ({
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }))
    .then((reply: CheckReply) => port.postMessage(reply))
})
