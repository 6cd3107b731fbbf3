import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import t from 'tap'
import { ConfigError, configOfWorker, readConfig } from '../src/config.ts'

const EXAMPLE = fileURLToPath(new URL('../../.env.example', import.meta.url))
const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))

/** What a bad environment is answered with. */
function complaint(variables: Readonly<Record<string, string>>): string {
  try {
    readConfig(variables)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error(`accepted: ${JSON.stringify(variables)}`)
}

t.test('Every setting has a default but those that name what only the operator knows', async t => {
  t.match(readConfig({}), {
    HOST: '127.0.0.1',
    PORT: 8080,
    DATABASE_SCHEMA: 'leasehold',
    DATA_DIR: '.data',
    ALLOW_UNSAFE_DATABASE: false,
    LOG_LEVEL: 'info',
  })
  t.equal(readConfig({}).DATABASE_URL, undefined)
  t.equal(readConfig({}).BOOTSTRAP_KEY, undefined)
})

t.test('.env.example names every setting with its default, and no other', async t => {
  const example = parseEnv(await readFile(EXAMPLE, 'utf8'))
  t.same(readConfig(example as Record<string, string>), readConfig({}))
  const all = readConfig({
    DATABASE_URL: 'postgres://db.example.com/leasehold',
    BOOTSTRAP_KEY: 'x'.repeat(20),
  })
  t.same(new Set(Object.keys(example)), new Set(Object.keys(all)))
})

t.test('An empty variable counts as one that is not set', async t => {
  t.same(readConfig({ PORT: '', HOST: '', DATABASE_URL: '', LOG_LEVEL: '' }), readConfig({}))
})

t.test('Variables of other programs do not matter', async t => {
  t.same(readConfig({ PATH: '/bin', PGPORT: 'many' }), readConfig({}))
})

t.test('Every problem is named at once, one a line, with what would be right', async t => {
  const message = complaint({
    PORT: '70000',
    DATABASE_URL: 'mysql://me:a-secret@db/leasehold',
    DATABASE_SCHEMA: 'Lease Hold',
    BOOTSTRAP_KEY: 'a-short-secret',
    DATABASE_POOL_SIZE: '0',
    KEY_CACHE_SECONDS: 'ten',
    PUBLIC_METRICS: 'yes',
    LOG_LEVEL: 'loud',
  })
  const [head, ...problems] = message.split('\n')
  t.equal(head, 'the settings are not usable (see .env.example):')
  t.same(problems, [
    '  PORT: has to be at most 65535',
    '  DATABASE_URL: has to look like postgres://user:password@host:5432/database',
    '  DATABASE_SCHEMA: has to be lower-case letters, digits and _, at most 63',
    '  BOOTSTRAP_KEY: has to have at least 20 characters, so that nobody guesses it; openssl rand -hex 32 makes one',
    '  DATABASE_POOL_SIZE: has to be at least 1',
    '  KEY_CACHE_SECONDS: has to be a whole number from 0 to 60',
    '  PUBLIC_METRICS: has to be true or false',
    '  LOG_LEVEL: is not a level of pino',
  ])
  t.notMatch(message, /secret/, 'no value is repeated: it may be a secret')
})

for (const [name, bad, good] of [
  ['PORT', ['-1', '65536', '80.5', '0x50', '8 0', '1e3', '9'.repeat(16), 'eight'], ['0', '65535', '080']],
  ['WORKERS', ['0', '65', '1.5', 'auto'], ['1', '64']],
  ['DATABASE_URL', ['postgres:/db', 'postgresql//db', 'db:5432', 'postgres://a b'], ['postgresql://db/x']],
  ['DATABASE_SCHEMA', ['A', '1a', 'a-b', 'a"b', 'a'.repeat(64)], ['a', '_a1', 'a'.repeat(63)]],
  [
    'BOOTSTRAP_KEY',
    ['x'.repeat(19), 'x'.repeat(201), `${'x'.repeat(20)} y`, `${'x'.repeat(20)}é`],
    ['x'.repeat(20)],
  ],
  ['ALLOW_UNSAFE_DATABASE', ['TRUE', '1', 'on'], ['true', 'false']],
  ['TOMBSTONE_SECONDS', ['59', '31536001'], ['60', '31536000']],
  [
    'VERSAL_GADGET_TYPE',
    ['course', 'x'.repeat(256), 'é'.repeat(128)],
    ['gadget', 'courses', 'x'.repeat(255)],
  ],
  ['VERSAL_GADGET_IDS', ['both', 'Alone'], ['course', 'alone']],
  [
    'POLARIS_TYPES',
    [
      '27',
      '27=',
      '=defect',
      '27=a=b',
      '27=defect,',
      'defect=27',
      '0=defect',
      '027=defect',
      '2147483648=defect',
    ],
    ['27=defect', ' 27 = defect , 3 = requirement ', '27=27', '2147483647=a b'],
  ],
  ['BRIDGE_COURSE_TEMPLATE_TYPE', ['x'.repeat(256)], ['defect', 'x'.repeat(255)]],
  ['BRIDGE_TASK_TYPE', ['CourseTemplate', 'x'.repeat(256)], ['defect', 'coursetemplate']],
  ['LOG_LEVEL', ['INFO', 'verbose'], ['trace', 'silent']],
] as const) {
  t.test(`${name} is checked`, async t => {
    for (const value of bad) t.match(complaint({ [name]: value }), `\n  ${name}: `, JSON.stringify(value))
    for (const value of good) t.doesNotThrow(() => readConfig({ [name]: value }), JSON.stringify(value))
  })
}

t.test('Object types of Polaris are one to one; each pair that is not is named', async t => {
  t.same(readConfig({ POLARIS_TYPES: '27=defect, 3=requirement' }).POLARIS_TYPES, [
    ['27', 'defect'],
    ['3', 'requirement'],
  ])
  const types = ['27=defect', '3=defect', '27=test', '5=28', '28=5', 'x=y', `6=${'z'.repeat(256)}`]
  t.same(complaint({ POLARIS_TYPES: types.join() }).split('\n').slice(1), [
    '  POLARIS_TYPES: pair 2 has the type of pair 1',
    '  POLARIS_TYPES: pair 3 has the number of pair 1',
    '  POLARIS_TYPES: pair 4 has a type that is the number of other objects',
    '  POLARIS_TYPES: pair 5 has a type that is the number of other objects',
    '  POLARIS_TYPES: pair 6 has to begin with a number from 1 to 2147483647, without zeros ahead',
    '  POLARIS_TYPES: pair 7 has a type of more than 255 bytes',
  ])
  t.match(complaint({ POLARIS_TYPES: '27=defect,3' }), /: pair 2 has to look like name=value$/)
})

t.test('The two types of Bridge differ, and what is wrong elsewhere is named with it', async t => {
  const message = complaint({
    PORT: 'http',
    BRIDGE_COURSE_TEMPLATE_TYPE: 'defect',
    BRIDGE_TASK_TYPE: 'defect',
    LOG_LEVEL: 'loud',
  })
  t.match(message, '  BRIDGE_TASK_TYPE: has to be another one than BRIDGE_COURSE_TEMPLATE_TYPE')
  t.match(message, '  PORT: ')
  t.match(message, '  LOG_LEVEL: ')
  const long = 'x'.repeat(256)
  t.notMatch(complaint({ BRIDGE_COURSE_TEMPLATE_TYPE: long, BRIDGE_TASK_TYPE: long }), 'another one')
})

t.test('Settings cannot be changed once they are read', async t => {
  t.ok(Object.isFrozen(readConfig({})))
})

/** What the service says that is started in a folder with this `.env`, which it has to refuse. */
async function refusalIn(folder: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const env = { PATH: process.env.PATH, ...environment }
  return await new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [MAIN], { cwd: folder, env }, (_error, _stdout, stderr) =>
      child.exitCode === 1 ? resolve(stderr) : reject(new Error(`exit code ${child.exitCode}: ${stderr}`)),
    )
  })
}

t.test('A file .env fills in what the environment does not say', async t => {
  const folder = t.testdir()
  await writeFile(join(folder, '.env'), 'PORT=http\nLOG_LEVEL=loud\n# KEY_CACHE_SECONDS=ten\n')
  const said = await refusalIn(folder, { LOG_LEVEL: 'info' })
  t.match(said, '  PORT: has to be a whole number')
  t.notMatch(said, 'LOG_LEVEL')
  t.notMatch(said, 'KEY_CACHE_SECONDS')
})

t.test(
  'Workers have the settings of the process that started them, whatever a file .env says by then',
  async t => {
    const folder = t.testdir({ '.env': 'DATABASE_SCHEMA=of_the_file\n' })
    const before = process.cwd()
    process.chdir(folder)
    t.teardown(() => process.chdir(before))
    t.not(configOfWorker().DATABASE_SCHEMA, 'of_the_file')
  },
)

t.test('Names in a file .env that are no settings are told of', async t => {
  const folder = t.testdir({
    '.env': 'DATABSE_URL=postgres://db/x\nPOSTGRES_PASSWORD=x\nPGSSLMODE=disable\nHISTORY_DAYS=3\nWORKER=2\n',
  })
  const said = await refusalIn(folder, { DATABASE_URL: 'postgres://127.0.0.1:1/nothing' })
  t.match(said, /"names":\["DATABSE_URL","WORKER"\],"msg":"the file \.env has names that are no settings/)
})

t.test('A file .env that cannot be read is named', async t => {
  const folder = t.testdir()
  await mkdir(join(folder, '.env'))
  t.match(await refusalIn(folder, {}), /^Leasehold cannot start:\n {2}the file \.env cannot be read: .+\n$/)
})
