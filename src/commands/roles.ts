import { parseArgs } from 'node:util'
import { grantsSql } from '../database/grants.ts'
import { messageOf, queryOf, withConnection } from '../database/migrations/migration-connection.ts'
import { DEFAULT_ROLE_PREFIX, isRolePrefix, type RoleNames, roleNames } from '../database/role-names.ts'
import { rolesSql } from '../database/roles.ts'
import { type CommandOutput, isProgram, isWrongOption, TERMINAL } from './command-line.ts'
import { withConfiguredDatabase } from './configured-database.ts'

const USAGE = `usage: npm run roles -- [--apply] [--grants] [--prefix <name>]

Prints the SQL that makes the least-privilege roles of the service:
  <name>_owner      owns the schema; cannot log in
  <name>_migrator   logs in to run the migrations, as the owner
  <name>_app        the service's: rows only, no tables, no sequences set back
  <name>_reader     cannot log in; grant it to people who look into the tables
  <name>_fencing    cannot log in; grant it to applications that check locks in their own
                    transactions

  --apply           run it instead of printing it, in one transaction
  --grants          only the grants, which the owner and the migrator can run themselves
  --prefix <name>   default ${DEFAULT_ROLE_PREFIX}; two services on one server need two

Run it once as a superuser, and the grants again after each "migrate up". The database is
that of "npm run migrate". No passwords are in it: set them in psql with \\password.
`

/** DDL that meets a lock is rolled back soon, for all that come behind it wait too. */
const LOCK_TIMEOUT_MS = 2000

interface SchemaOfDatabase {
  readonly url: string
  readonly schema: string
}

type WithDatabase = (task: (database: SchemaOfDatabase) => Promise<number>) => Promise<number>

/** Runs one command line and returns its exit code: 0, 1 for a failure, 2 for wrong usage. Never throws. */
export async function runRoles(
  argv: readonly string[],
  withDatabase: WithDatabase,
  output: CommandOutput,
): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        apply: { type: 'boolean', default: false },
        grants: { type: 'boolean', default: false },
        prefix: { type: 'string', default: DEFAULT_ROLE_PREFIX },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      output.result(USAGE)
      return 0
    }
    if (!isRolePrefix(values.prefix)) {
      output.remark(`roles: "${values.prefix}" cannot be the prefix of a role's name\n\n${USAGE}`)
      return 2
    }
    const names = roleNames(values.prefix)
    return await withDatabase(database => makeRoles(database, names, values, output))
  } catch (error) {
    output.remark(`roles: ${messageOf(error)}\n${isWrongOption(error) ? `\n${USAGE}` : ''}`)
    return isWrongOption(error) ? 2 : 1
  }
}

async function makeRoles(
  database: SchemaOfDatabase,
  names: RoleNames,
  { apply, grants }: { readonly apply: boolean; readonly grants: boolean },
  output: CommandOutput,
): Promise<number> {
  return withConnection(database, async client => {
    const statements = await (grants ? grantsSql : rolesSql)(queryOf(client), database.schema, names)
    const script = [
      'begin',
      `set local lock_timeout = ${LOCK_TIMEOUT_MS}`,
      // "all in schema" holds nothing yet in an empty one, which PostgreSQL would remark on
      "set local client_min_messages = 'warning'",
      ...statements,
      'commit',
    ]
    if (apply) {
      await client.query(script.join(';\n'))
      output.result(grants ? 'the grants are in place\n' : `the roles are in place\n${afterwards(names, '')}`)
    } else {
      output.result(`${script.join(';\n')};\n${grants ? '' : afterwards(names, '-- ')}`)
    }
    return 0
  })
}

function afterwards({ owner, migrator, app, reader, fencing }: RoleNames, margin: string): string {
  return [
    '',
    'Set the passwords in psql, which sends them as hashes:',
    `  \\password ${migrator}`,
    `  \\password ${app}`,
    'Let people look into the tables, or change rows by hand:',
    `  grant ${reader} to ...;`,
    `  grant ${owner} to ...;`,
    'Let an application check locks where its data is:',
    `  grant ${fencing} to ...;`,
    'Let readers see what the server is doing:',
    `  grant pg_monitor to ${reader};`,
    'In a database that the service does not share, take from everybody what nobody needs:',
    '  revoke temporary on database ... from public;',
    '  revoke all on schema public from public;',
  ]
    .map(line => `${margin}${line}`.trimEnd())
    .concat('')
    .join('\n')
}

if (isProgram(import.meta.url)) {
  process.exitCode = await runRoles(process.argv.slice(2), withConfiguredDatabase, TERMINAL)
}
