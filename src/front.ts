import type { Config } from './config.ts'
import type { HttpServer } from './http/server.ts'
import { listenProblem, StartError } from './start-problems.ts'

/** Where requests come in: the server of this process, or workers that have one each. */
export interface Front {
  readonly url: string
  /** Answers what is under way and takes nothing new; resolves when all is answered, or cut at the deadline. */
  drain(deadlineMs: number): Promise<void>
}

/** Serves in this process. Rejects with a StartError where nobody can listen there. */
export async function listen({ HOST, PORT }: Config, http: HttpServer): Promise<Front> {
  try {
    const { host, port } = await http.listen({ host: HOST, port: PORT })
    return {
      url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
      drain: deadlineMs => http.drain(deadlineMs),
    }
  } catch (error) {
    throw new StartError([listenProblem(error, HOST, PORT)])
  }
}
