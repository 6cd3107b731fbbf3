import { randomBytes } from 'node:crypto'
import t from 'tap'
import { runRoles } from '../../src/commands/roles.ts'
import { once, testServer } from '../support/database.ts'
import { connectedTo, scratchDatabase, type Teardown } from '../support/scratch-database.ts'

async function start(t: Teardown) {
  const prefix = `test_${randomBytes(5).toString('hex')}`
  const roles = ['owner', 'migrator', 'app', 'reader'].map(role => `${prefix}_${role}`)
  t.teardown(() => once(testServer(), `drop role if exists ${roles.join(', ')}`))
  const { url } = await scratchDatabase(t)
  const client = await connectedTo(t, url)
  const run = async (...argv: readonly string[]) => {
    let result = ''
    let remark = ''
    const exitCode = await runRoles(argv, task => task({ url, schema: 'leasehold' }), {
      result: text => {
        result += text
      },
      remark: text => {
        remark += text
      },
    })
    return { exitCode, result, remark }
  }
  const made = async () => {
    const { rows } = await client.query('select rolname as name from pg_roles where rolname = any($1)', [
      roles,
    ])
    return rows.length
  }
  return { prefix, run, made, client }
}

t.test('Without --apply the SQL is printed, and nothing is made', async t => {
  const { prefix, run, made } = await start(t)
  const { exitCode, result } = await run('--prefix', prefix)
  t.equal(exitCode, 0)
  t.match(result, new RegExp(`create role ${prefix}_owner`))
  t.equal(await made(), 0)
})

t.test('What is printed is a script that makes what --apply makes', async t => {
  const { prefix, run, made, client } = await start(t)
  await client.query((await run('--prefix', prefix)).result)
  t.equal(await made(), 4)
  const before = (await run('--prefix', prefix)).result
  t.match(await run('--prefix', prefix, '--apply'), { exitCode: 0, result: /^the roles are in place\n/ })
  t.equal((await run('--prefix', prefix)).result, before)
})

t.test('No password is in it, but how to set one', async t => {
  const { prefix, run } = await start(t)
  const { result } = await run('--prefix', prefix)
  t.notMatch(result, / password '/i)
  t.match(result, `\\password ${prefix}_app`)
})

t.test('--grants leaves the roles alone', async t => {
  const { prefix, run } = await start(t)
  await run('--prefix', prefix, '--apply')
  const { result } = await run('--prefix', prefix, '--grants')
  t.notMatch(result, /create role|alter role|owner to|default privileges/)
  t.match(await run('--prefix', prefix, '--grants', '--apply'), {
    exitCode: 0,
    result: 'the grants are in place\n',
  })
})

t.test('--grants before there are roles is one message', async t => {
  const { prefix, run } = await start(t)
  t.match(await run('--prefix', prefix, '--grants', '--apply'), {
    exitCode: 1,
    remark: /^roles: (schema|role) "[^"]*" does not exist\n$/,
  })
})

for (const argv of [['--frob'], ['now'], ['--prefix', 'a b'], ['--prefix', 'pg_x'], ['--prefix', "x'; --"]]) {
  t.test(`"${argv.join(' ')}" is wrong usage`, async t => {
    const { run } = await start(t)
    t.match(await run(...argv), { exitCode: 2, remark: /^roles: .*\n\nusage: npm run roles/ })
  })
}

t.test('Help is no failure', async t => {
  const { run } = await start(t)
  t.match(await run('-h'), { exitCode: 0, result: /^usage: npm run roles/ })
})
