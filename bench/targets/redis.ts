import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Connection } from '../connection.ts'
import { type Client, ClosedLoops, type Recorder } from '../load.ts'
import { pairs } from '../pairs.ts'
import { findProgram, firstLineOf, freePort, Program } from '../program.ts'
import { type RespReply, readRespReply } from '../resp-answer.ts'
import type { TestBed } from '../test-bed.ts'
import type { Missing, Target } from './target.ts'

/** Deletes the lock if it is still the caller's: the release that Redis' documentation gives. */
const RELEASE =
  "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end"
const LOCK_MS = 30_000

/** A Redis that answers a write when it is on the disk. */
export async function startRedis({ cleanup, folder }: TestBed): Promise<Target | Missing> {
  const file = await findProgram('redis-server')
  if (file === undefined) {
    return { missing: 'redis-server is not installed (Debian: apt-get install redis-server)' }
  }
  const port = await freePort()
  const dir = join(folder, 'redis')
  await mkdir(dir)
  const program = await Program.start(
    {
      name: 'redis',
      file,
      args: [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir],
        ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
      ],
      folder,
    },
    cleanup,
  )
  await program.ready(() => ping(port).catch(() => undefined))
  return {
    name: 'redis',
    description: `${await firstLineOf(file, ['--version'])}, appendonly yes, appendfsync always, SET NX PX and a compare-and-delete`,
    processes: { service: [program.pid], database: [] },
    workloads: ['distinct'],
    load: (_workload, connections, run) =>
      ClosedLoops.start(connections, (index, recorder) => setAndDelete(port, recorder, `${run}-${index}`)),
  }
}

async function setAndDelete(port: number, recorder: Recorder, id: string): Promise<Client> {
  const connection = await Connection.open<RespReply>(port, readRespReply)
  const token = randomUUID()
  return pairs(recorder, {
    async acquire(number) {
      const key = `bench/item/${id}-${number}`
      const set = await connection.send(command('SET', key, token, 'NX', 'PX', String(LOCK_MS)))
      if (set.value !== 'OK') throw new Error(`Redis did not set the lock: ${set.value}`)
      return key
    },
    async release(key) {
      const deleted = await connection.send(command('EVAL', RELEASE, '1', key, token))
      if (deleted.value !== 1) throw new Error(`Redis did not delete the lock: ${deleted.value}`)
    },
    close: () => connection.close(),
  })
}

async function ping(port: number): Promise<true> {
  const connection = await Connection.open<RespReply>(port, readRespReply)
  try {
    await connection.send(command('PING'))
    return true
  } finally {
    connection.close()
  }
}

/** A command of Redis' protocol; the words have to be ASCII. */
function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${word.length}\r\n${word}\r\n`).join('')}`
}
