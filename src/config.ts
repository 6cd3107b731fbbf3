import { z } from 'zod'
import { SCHEMA_NAME } from './database/database.ts'

/** How the service is set up. Read once, at the start; nothing else looks at the environment. */
export type Config = Readonly<z.output<typeof environment>>

/** Every problem of the environment at once, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** A whole number between two bounds. */
function whole(min: number, max: number, fallback: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, `has to be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `has to be at least ${min}`).max(max, `has to be at most ${max}`))
    .prefault(String(fallback))
}

const flag = z
  .enum(['true', 'false'], 'has to be true or false')
  .prefault('false')
  .transform(text => text === 'true')

/** Each is explained in .env.example. */
const environment = z.object({
  HOST: z.string().prefault('127.0.0.1'),
  PORT: whole(0, 65_535, 8080),
  DATABASE_URL: z
    .string()
    .refine(isPostgresUrl, 'has to look like postgres://user:password@host:5432/database')
    .optional(),
  DATABASE_SCHEMA: z
    .string()
    .regex(SCHEMA_NAME, 'has to be lower-case letters, digits and _, at most 63')
    .prefault('leasehold'),
  DATA_DIR: z.string().prefault('.data'),
  BOOTSTRAP_KEY: z
    .string()
    .min(20, 'has to have at least 20 characters, so that nobody guesses it; openssl rand -hex 32 makes one')
    .max(200, 'has to have at most 200 characters')
    .regex(/^[\x21-\x7e]+$/, 'has to be printable ASCII without spaces')
    .optional(),
  DATABASE_POOL_SIZE: whole(1, 1000, 10),
  DATABASE_CONNECT_TIMEOUT_MS: whole(100, 60_000, 2000),
  DATABASE_STATEMENT_TIMEOUT_MS: whole(100, 600_000, 5000),
  DATABASE_BULK_TIMEOUT_MS: whole(100, 3_600_000, 60_000),
  DATABASE_LOCK_TIMEOUT_MS: whole(10, 60_000, 500),
  DATABASE_TRANSACTION_POOLER: flag,
  ALLOW_UNSAFE_DATABASE: flag,
  SWEEP_INTERVAL_MS: whole(100, 86_400_000, 5000),
  TOMBSTONE_SECONDS: whole(60, 31_536_000, 3600),
  KEY_CACHE_SECONDS: whole(0, 60, 5),
  PUBLIC_METRICS: flag,
  DRAIN_TIMEOUT_MS: whole(0, 600_000, 10_000),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'is not a level of pino')
    .prefault('info'),
})

/** Reads the settings; an empty variable counts as one that is not set. */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  )
  const result = environment.safeParse(set)
  if (result.success) return Object.freeze(result.data)
  const lines = result.error.issues.map(issue => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new ConfigError(`the settings are not usable (see .env.example):\n${lines.join('\n')}`)
}

/** The settings of this process; a file `.env` fills in what the environment does not say. */
export function configOfProcess(): Config {
  try {
    process.loadEnvFile()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (error.code !== 'ENOENT') throw new ConfigError(`the file .env cannot be read: ${error.message}`)
  }
  return readConfig(process.env)
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
}
