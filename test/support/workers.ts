import { type Answer, Client } from './client.ts'
import { type ServiceProcess, startService } from './service-process.ts'
import { until } from './until.ts'

interface Teardown {
  teardown(task: () => Promise<unknown>): void
}

/** The lines of the log so far, as objects. */
function linesOf({ said }: ServiceProcess): readonly Record<string, unknown>[] {
  return said.err
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

/** The pids that the log names with a message, in its order. */
export function workersThat(service: ServiceProcess, message: string): readonly number[] {
  return linesOf(service)
    .filter(line => line.msg === message)
    .map(({ worker }) => Number(worker))
}

/** The pid of the worker that gave an answer, as its line of the log says. */
export async function whoAnswered(service: ServiceProcess, { headers }: Answer): Promise<number> {
  const line = await until('the request is logged', () =>
    linesOf(service).find(line => line.request_id === headers['x-request-id']),
  )
  return Number(line.pid)
}

export interface Workers {
  readonly service: ServiceProcess
  /** The pids of those that listened at the start. */
  readonly pids: readonly number[]
  /** A client of each worker, in the order of the pids, with a connection of its own. */
  readonly clients: readonly Client[]
}

/** A service with workers, and a client of each of them. */
export async function startWorkers(
  t: Teardown,
  count: number,
  environment: Readonly<Record<string, string>>,
): Promise<Workers> {
  const service = await startService(t, { WORKERS: String(count), LOG_LEVEL: 'debug', ...environment })
  const pids = await until('all are told to listen', () => {
    const listening = workersThat(service, 'a worker listens')
    return listening.length === count && listening
  })
  const clients = await Promise.all(pids.map(pid => clientOf(t, service, pid)))
  return { service, pids, clients }
}

/** A client whose one connection is to this worker. */
export async function clientOf(t: Teardown, service: ServiceProcess, pid: number): Promise<Client> {
  return await until(`a connection to ${pid}`, async () => {
    const client = new Client(service.url, { connections: 1 })
    t.teardown(async () => client.close())
    if ((await whoAnswered(service, await client.call('GET', '/livez'))) === pid) return client
    client.close()
    return undefined
  })
}

/** Series of a scrape: the name with its labels, and the value. */
export async function scrape(client: Client): Promise<ReadonlyMap<string, number>> {
  const { status, body } = await client.call('GET', '/metrics')
  if (status !== 200) throw new Error(`no metrics: ${status} ${JSON.stringify(body)}`)
  const lines = String(body)
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}
