import { open, rm } from 'node:fs/promises'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DatabaseServer } from './database-server.ts'
import { firstLineOf } from './program.ts'
import { median } from './summary.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DISK_WRITES = 50
const PAGE_BYTES = 8192

/** Where a run took place, and of what. */
export interface Environment {
  readonly date: string
  readonly command: string
  readonly leasehold: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  /** How long 8 kB written and brought to the disk take: what a commit waits for at least. */
  readonly fdatasyncMs: number
  readonly postgresql?: string
  readonly postgresqlSettings?: Readonly<Record<string, string>>
}

export async function describeEnvironment(
  folder: string,
  args: readonly string[],
  database: DatabaseServer | undefined,
): Promise<Environment> {
  const [cpu] = cpus()
  return {
    date: new Date().toISOString(),
    command: ['npm run bench --', ...args.map(quoted)].join(' '),
    leasehold: (await firstLineOf('git', ['-C', ROOT, 'describe', '--always', '--dirty'])) ?? 'not known',
    node: process.version,
    cpu: cpu?.model.trim() ?? 'not known',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()} ${arch()}`,
    fdatasyncMs: await fdatasyncMs(folder),
    ...(database === undefined
      ? {}
      : { postgresql: database.description, postgresqlSettings: database.settings }),
  }
}

async function fdatasyncMs(folder: string): Promise<number> {
  const path = join(folder, 'fdatasync')
  const file = await open(path, 'w')
  const page = Buffer.alloc(PAGE_BYTES, 1)
  const times: number[] = []
  try {
    for (let write = 0; write < DISK_WRITES; write += 1) {
      const started = performance.now()
      await file.write(page, 0, PAGE_BYTES, 0)
      await file.datasync()
      times.push(performance.now() - started)
    }
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
  return median(times)
}

/** A URL may have a password. */
function quoted(argument: string): string {
  const safe = argument.replace(/(postgres(?:ql)?:\/\/[^:@/]*):[^@/]*@/, '$1:...@')
  return /^[\w\-.,/:=@]+$/.test(safe) ? safe : `'${safe}'`
}
