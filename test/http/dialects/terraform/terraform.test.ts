import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../../../support/until.ts'
import { NAMESPACE, startService, uniqueId } from '../../service.ts'

/** The real program, with its state in a plain web server of the test. */

const isThere = spawnSync('terraform', ['version'], { stdio: 'ignore' }).status === 0

/** Keeps whatever is sent to a path. A state can be held back, so that a run stays in the middle of its work. */
async function stateServer(test: Test) {
  const states = new Map<string, Buffer>()
  const heldBack = new Map<string, (() => void)[]>()
  const server = createServer(async (request, response) => {
    const name = (request.url ?? '').split('?')[0] ?? ''
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.method === 'POST') states.set(name, Buffer.concat(chunks))
    else {
      const waiting = heldBack.get(name)
      if (waiting !== undefined) await new Promise<void>(resolve => waiting.push(resolve))
    }
    const state = states.get(name)
    response.statusCode = request.method === 'GET' && state === undefined ? 404 : 200
    response.end(request.method === 'GET' ? state : undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  test.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    states,
    holdBack: (name: string) => heldBack.set(`/${name}`, []),
    waiting: (name: string) => heldBack.get(`/${name}`)?.length ?? 0,
    letGo(name: string) {
      const waiting = heldBack.get(`/${name}`) ?? []
      heldBack.delete(`/${name}`)
      for (const resume of waiting) resume()
    },
  }
}

/** Whose methods the backend is told to use. */
type Kind = 'own' | 'gitlab' | 'wrong key'

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>
  output(): string
}

t.test(
  'terraform takes its locks here',
  { skip: isThere ? false : 'there is no terraform on this machine' },
  async t => {
    const service = await startService(t)
    const states = await stateServer(t)

    /** A working folder for a state, as one of the users. */
    function folder(test: Test, state: string, user: 'alice' | 'bob' | 'root', kind: Kind = 'own') {
      const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-terraform-'))
      test.teardown(() => rmSync(directory, { recursive: true, force: true }))
      writeFileSync(
        path.join(directory, 'main.tf'),
        'terraform {\n  backend "http" {}\n}\noutput "greeting" {\n  value = "hello"\n}\n',
      )
      const lock = `${service.url}/terraform/${encodeURIComponent(NAMESPACE)}/${state}/lock`
      const env = {
        PATH: process.env.PATH,
        HOME: directory,
        CHECKPOINT_DISABLE: '1',
        TF_IN_AUTOMATION: '1',
        TF_HTTP_ADDRESS: `${states.url}/${state}`,
        TF_HTTP_LOCK_ADDRESS: lock,
        TF_HTTP_UNLOCK_ADDRESS: lock,
        TF_HTTP_USERNAME: user,
        TF_HTTP_PASSWORD:
          kind === 'wrong key' ? 'wrong' : user === 'root' ? service.keys.admin : service.keys[user],
        ...(kind === 'gitlab' && { TF_HTTP_LOCK_METHOD: 'POST', TF_HTTP_UNLOCK_METHOD: 'DELETE' }),
      }
      const start = (...args: string[]): Run => {
        const child = spawn('terraform', [...args, '-no-color'], { cwd: directory, env })
        let text = ''
        for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (text += chunk))
        test.teardown(() => void child.kill('SIGKILL'))
        const ended = new Promise<{ code: number | null; output: string }>((resolve, reject) => {
          child.on('error', reject)
          child.on('close', code => resolve({ code, output: text }))
        })
        return { child, ended, output: () => text }
      }
      return { start, run: (...args: string[]) => start(...args).ended }
    }

    async function initialised(test: Test, state: string, user: 'alice' | 'bob' | 'root', kind?: Kind) {
      const made = folder(test, state, user, kind)
      const init = await made.run('init', '-input=false')
      test.equal(init.code, 0, init.output)
      return made
    }

    const holderOf = async (state: string) =>
      (
        await service.stores.sql<{
          holder: string
          operation: string
          client: string
          id: string
          lock: string
        }>(
          `select holder, client, reference as id, id as lock, metadata -> 'lock_info' ->> 'Operation' as operation
           from held_locks where resource_id = $1`,
          [state],
        )
      )[0]

    for (const methods of ['own', 'gitlab'] as const) {
      t.test(`plan and apply lock and unlock (${methods} methods)`, async t => {
        const state = uniqueId()
        const alice = await initialised(t, state, 'alice', methods)
        states.holdBack(state)
        const apply = alice.start('apply', '-auto-approve', '-input=false')
        await until('the state is asked for', () => states.waiting(state) > 0)
        t.match(await holderOf(state), { holder: 'alice', operation: 'OperationTypeApply', client: /@/ })
        states.letGo(state)
        const { code, output } = await apply.ended
        t.equal(code, 0, output)
        t.equal(await holderOf(state), undefined)
        t.match(states.states.get(`/${state}`)?.toString(), /"greeting"/)
        t.equal((await alice.run('plan', '-input=false')).code, 0)
        t.equal(await holderOf(state), undefined)
      })
    }

    t.test('two applies at once with -lock-timeout both finish, one after the other', async t => {
      const state = uniqueId()
      const alice = await initialised(t, state, 'alice')
      const bob = await initialised(t, state, 'bob')
      states.holdBack(state)
      const first = alice.start('apply', '-auto-approve', '-input=false', '-lock-timeout=60s')
      await until('the first has the lock', () => holderOf(state))
      const refusedBefore = service.log.filter(line => line.status === 423).length
      const second = bob.start('apply', '-auto-approve', '-input=false', '-lock-timeout=60s')
      await until(
        'the second was refused',
        () => service.log.filter(line => line.status === 423).length > refusedBefore,
      )
      states.letGo(state)
      const ends = await Promise.all([first.ended, second.ended])
      for (const { code, output } of ends) t.equal(code, 0, output)
      t.equal(await holderOf(state), undefined)
    })

    t.test('a killed apply leaves a lock that the next one is shown, until it is forced', async t => {
      const state = uniqueId()
      const alice = await initialised(t, state, 'alice')
      const bob = await initialised(t, state, 'bob')
      const root = await initialised(t, state, 'root')
      states.holdBack(state)
      const killed = alice.start('apply', '-auto-approve', '-input=false')
      const left = await until('it has the lock', () => holderOf(state))
      await until('it is in the middle of its work', () => states.waiting(state) > 0)
      killed.child.kill('SIGKILL')
      await killed.ended
      states.letGo(state)
      t.match(await holderOf(state), { holder: 'alice' }, 'the lock outlives its client')
      const refused = await bob.run('apply', '-auto-approve', '-input=false')
      t.not(refused.code, 0)
      t.match(refused.output, left.id, 'with the ID of the lock that is in the way')
      const notAllowed = await bob.run('force-unlock', '-force', left.id)
      t.not(notAllowed.code, 0, 'another user may not')
      t.match(await holderOf(state), { holder: 'alice' })
      const forced = await root.run('force-unlock', '-force', left.id)
      t.equal(forced.code, 0, forced.output)
      t.equal(await holderOf(state), undefined)
      t.match(
        service.log.find(line => line.event === 'state_unlocked_by_force' && line.lock === left.lock),
        { by: 'root', holder: 'alice' },
      )
      const after = await bob.run('apply', '-auto-approve', '-input=false')
      t.equal(after.code, 0, after.output)
    })

    t.test('a wrong key is refused', async t => {
      const state = uniqueId()
      const directory = await initialised(t, state, 'alice', 'wrong key')
      const { code, output } = await directory.run('plan', '-input=false')
      t.not(code, 0)
      t.match(output, /requires auth/)
    })
  },
)
