import cluster from 'node:cluster'
import { configOfWorker } from './config.ts'
import { listen } from './front.ts'
import { snapshotOf } from './http/metrics-sum.ts'
import { Refusal } from './locks/errors.ts'
import { createLogger } from './logging.ts'
import { Questions } from './questions.ts'
import { StartError } from './start-problems.ts'
import { closeParts, wire } from './wiring.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

// One of the processes that answer requests where WORKERS is above 1. The first process starts it, has seen to the
// database, and sweeps.

/** Above what the first process waits for the others. */
const SCRAPE_WAIT_MS = 5000

const { worker } = cluster
const config = configOfWorker()
if (worker === undefined || config.DATABASE_URL === undefined) {
  throw new Error('workers are started by the service, with WORKERS above 1')
}
const log = createLogger(config.LOG_LEVEL, { isShared: true })

process.on('uncaughtException', error => {
  log.fatal({ err: error }, 'an error that nobody handled')
  log.flush(() => process.exit(1))
})

const scrapes = new Questions<string | undefined>()
const parts = wire(config, config.DATABASE_URL, log, scrape)
const listening = listen(config, parts.http)
let stopped: Promise<void> | undefined

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'stop':
      stop()
      return
    case 'collect':
      void snapshotOf(parts.metrics).then(metrics => tell({ kind: 'metrics', id: message.id, metrics }))
      return
    case 'scraped':
      scrapes.answer(message.id, message.text)
  }
})
process.on('SIGTERM', stop)
// Ctrl-C reaches every process of a terminal: the first one decides what it means
process.on('SIGINT', () => {})
worker.on('disconnect', () => {
  // else Node ends a worker at once whose first process is gone
  worker.exitedAfterDisconnect = true
  scrapes.giveUp()
  if (stopped === undefined) log.warn('the first process is gone; stopping')
  stop()
})

try {
  const { url } = await listening
  await tell({ kind: 'listening', url })
} catch (error) {
  if (!(error instanceof StartError)) throw error
  await tell({ kind: 'refused', problem: error.message })
  process.exit(1)
}

function stop(): void {
  stopped ??= stopInOrder()
}

async function stopInOrder(): Promise<void> {
  const front = await listening.catch(() => undefined)
  await front?.drain(config.DRAIN_TIMEOUT_MS)
  await closeParts(parts)
  await tell({ kind: 'metrics', metrics: await snapshotOf(parts.metrics) })
  // the last thing that keeps this process alive
  if (process.connected) process.disconnect()
}

/** The metrics of all processes. An answer without the others' would be wrong: counters would seem to fall. */
async function scrape(): Promise<string> {
  const text = await scrapes.ask(SCRAPE_WAIT_MS, id => void tell({ kind: 'scrape', id }))
  if (text === undefined)
    throw new Refusal('not_ready', 'the metrics of the other processes cannot be had now')
  return text
}

/** Resolves when the message is on its way, or nobody is there to hear it. */
function tell(message: FromWorker): Promise<void> {
  return new Promise(resolve => {
    if (process.send === undefined) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
