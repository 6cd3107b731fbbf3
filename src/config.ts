import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import { SCHEMA_NAME } from './database/database.ts'
import { objectTypeProblems } from './http/dialects/polaris/object-types.ts'
import { COURSE } from './http/dialects/versal/subject.ts'
import { DIALECT_NAMES } from './http/dialects.ts'
import { RESOURCE_LIMITS } from './locks/resource.ts'

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

function namespace(fallback: string) {
  return z
    .string()
    .refine(name => Buffer.byteLength(name) <= RESOURCE_LIMITS.namespace, 'has to be at most 255 bytes')
    .prefault(fallback)
}

const flag = z
  .enum(['true', 'false'], 'has to be true or false')
  .prefault('false')
  .transform(text => text === 'true')

/** Words with commas between them, each of the known ones at most once. */
function words<Word extends string>(known: readonly Word[], fallback: string) {
  return z
    .string()
    .transform(text => text.split(',').map(word => word.trim()))
    .pipe(z.array(z.enum(known, `has to be names with commas between them, of: ${known.join(', ')}`)))
    .prefault(fallback)
}

/** The type of a resource. */
function type(fallback: string) {
  return z
    .string()
    .refine(
      name => Buffer.byteLength(name) <= RESOURCE_LIMITS.type,
      `has to be at most ${RESOURCE_LIMITS.type} bytes`,
    )
    .prefault(fallback)
}

/** `a=b,c=d`: names and what each stands for, in this order. No name and no value is empty. */
function pairs() {
  return z
    .string()
    .transform((text, { addIssue }) =>
      text === ''
        ? []
        : text.split(',').map((pair, index) => {
            const [name = '', value = '', ...more] = pair.split('=').map(word => word.trim())
            const isPair = name !== '' && value !== '' && more.length === 0
            if (!isPair) addIssue(`pair ${index + 1} has to look like name=value`)
            return [name, value] as const
          }),
    )
    .prefault('')
}

/** Each is explained in .env.example. */
const settings = z.object({
  HOST: z.string().prefault('127.0.0.1'),
  PORT: whole(0, 65_535, 8080),
  WORKERS: whole(1, 64, 1),
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
  BATCH_SIZE: whole(1, 128, 64),
  BATCH_CONCURRENCY: whole(1, 16, 2),
  DATABASE_TRANSACTION_POOLER: flag,
  ALLOW_UNSAFE_DATABASE: flag,
  SWEEP_INTERVAL_MS: whole(100, 86_400_000, 5000),
  TOMBSTONE_SECONDS: whole(60, 31_536_000, 3600),
  HISTORY_DAYS: whole(1, 36_500, 30),
  KEY_CACHE_SECONDS: whole(0, 60, 5),
  PUBLIC_METRICS: flag,
  RATE_LIMIT_PER_SECOND: whole(0, 1_000_000, 0),
  UNKNOWN_KEYS_PER_SECOND: whole(0, 1_000_000, 10),
  MAX_CONNECTIONS: whole(1, 1_000_000, 10_000),
  MAX_CONNECTIONS_PER_CLIENT: whole(0, 1_000_000, 0),
  DIALECTS: words([...DIALECT_NAMES, 'none'], DIALECT_NAMES.join(',')),
  ALM_SESSION_SECONDS: whole(60, 86_400, 3600),
  ALM_TIME_ZONE: z
    .string()
    .refine(isTimeZone, 'has to be a time zone, such as Europe/Berlin')
    .prefault('UTC'),
  ALM_LOCK_FAILURE_STATUS: z
    .enum(['403', '500'], 'has to be 403 or 500')
    .prefault('403')
    .transform(status => (status === '403' ? 403 : 500)),
  ALM_REQUIRE_XSRF_TOKEN: flag,
  BIMPLUS_REFUSE_SELECTIONS_BY_DEFAULT: flag,
  VERSAL_NAMESPACE: namespace('versal'),
  VERSAL_GADGET_TYPE: type('gadget').refine(
    name => name !== COURSE,
    'has to be another one than course, which is the type of courses',
  ),
  VERSAL_GADGET_IDS: z.enum(['course', 'alone'], 'has to be course or alone').prefault('course'),
  VERSAL_LOCK_SECONDS: whole(1, 86_400, 900),
  POLARIS_NAMESPACE: namespace('polaris'),
  POLARIS_TYPES: pairs().superRefine((types, { addIssue }) => {
    for (const problem of objectTypeProblems(types)) addIssue(problem)
  }),
  POLARIS_CLEAR_LOCKS_AT_SIGN_IN: flag,
  POLARIS_MAX_LOCK_AGE_HOURS: whole(0, 8760, 0),
  BRIDGE_NAMESPACE: namespace('bridge'),
  BRIDGE_COURSE_TEMPLATE_TYPE: type('CourseTemplate'),
  BRIDGE_TASK_TYPE: type('Task'),
  BRIDGE_LOCK_SECONDS: whole(1, 86_400, 900),
  BRIDGE_REFUSE_HOLDER: flag,
  DRAIN_TIMEOUT_MS: whole(0, 600_000, 10_000),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'is not a level of pino')
    .prefault('info'),
})

const environment = settings.refine(
  ({ BRIDGE_TASK_TYPE, BRIDGE_COURSE_TEMPLATE_TYPE }) => BRIDGE_TASK_TYPE !== BRIDGE_COURSE_TEMPLATE_TYPE,
  {
    path: ['BRIDGE_TASK_TYPE'],
    error:
      'has to be another one than BRIDGE_COURSE_TEMPLATE_TYPE: a task and a template may have the same id',
    // told together with the problems of other settings
    when: ({ value }) =>
      settings.pick({ BRIDGE_TASK_TYPE: true, BRIDGE_COURSE_TEMPLATE_TYPE: true }).safeParse(value).success,
  },
)

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

/**
 * The settings of a worker, which are those of the process that started it: a file `.env` that has changed since then
 * must not make workers differ.
 */
export function configOfWorker(): Config {
  return readConfig(process.env)
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

/** Names in a file `.env` that are for others: the compose file, libpq, Node, the tests. */
const FOR_OTHERS = /^(POSTGRES_PASSWORD$|TZ$|PG|NODE_|TEST_)/

/**
 * Names in the file `.env` that are no settings, such as one that was misspelt: the default would count in its place, for
 * `DATABASE_URL` a database of its own. The environment itself cannot be checked: it is everybody's.
 */
export function strayNames(file = '.env'): readonly string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return Object.keys(parseEnv(text)).filter(name => !(name in settings.shape) && !FOR_OTHERS.test(name))
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
}
