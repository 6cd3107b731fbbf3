import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import { sqlAt } from '../support/database.ts'
import { dataFolder, postmasterPid } from '../support/own-server.ts'
import { signalFamily } from '../support/processes.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { startService } from '../support/service-process.ts'

const CRASHES = 5
const CLIENTS = 16
const RESOURCES = 400
/** Answers between two crashes. */
const ANSWERS = 400

interface Held {
  readonly id: string
  readonly token: number
  readonly resource: string
}

t.test(
  'after kill -9 of service and PostgreSQL every answered grant is there, and no released one',
  async t => {
    const dataDir = await dataFolder(t)
    const random = randomFrom(SEED)
    /** Answered grants of which no release was sent. */
    const held = new Map<string, Held>()
    /** Answered releases. */
    const released = new Set<string>()
    const lastToken = new Map<string, number>()
    const totals = { grants: 0, releases: 0, unknown: 0, checked: 0 }

    for (let crash = 0; crash < CRASHES; crash += 1) {
      const service = await startService(t, { DATA_DIR: dataDir })
      const client = new Client(service.url, { connections: CLIENTS })
      let answers = 0
      let isDead = false
      const work = async (): Promise<void> => {
        while (!isDead) {
          try {
            const [first] = held.values()
            if (first !== undefined && random() < 0.4) {
              held.delete(first.id)
              const { status } = await client.release(first.id)
              t.equal(status, 204)
              released.add(first.id)
              totals.releases += 1
            } else {
              const resource = `r${Math.floor(random() * RESOURCES)}`
              // mixed, as every mix that has only short ones would have lost nothing that was still in force
              const ttl = random() < 0.5 ? 3600 : null
              const answer = await client.acquire(resource, { session: randomUUID(), ttl })
              if (answer.status !== 201) continue
              const lock = answer.body.locks[0]
              t.ok(lock.fencing_token > (lastToken.get(resource) ?? 0), 'tokens go on growing')
              lastToken.set(resource, lock.fencing_token)
              held.set(lock.id, { id: lock.id, token: lock.fencing_token, resource })
              totals.grants += 1
            }
            answers += 1
            if (answers === ANSWERS) {
              isDead = true
              const postmaster = await postmasterPid(dataDir)
              service.child.kill('SIGKILL')
              await signalFamily(postmaster, 'SIGKILL')
            }
          } catch (error) {
            if (!isDead) throw error
            totals.unknown += 1
          }
        }
      }
      await Promise.all(Array.from({ length: CLIENTS }, work))
      client.close()
      await service.exited
      await check(crash)
    }
    t.comment(`seed ${SEED}: ${CRASHES} crashes, ${JSON.stringify(totals)}`)
    t.ok(totals.unknown > 0, 'the crashes met requests under way')

    async function check(crash: number): Promise<void> {
      const service = await startService(t, { DATA_DIR: dataDir })
      const client = new Client(service.url)
      const found = new Map<string, number>()
      let cursor: string | null = ''
      while (cursor !== null) {
        const { body } = await client.call(
          'GET',
          `/v1/namespaces/tests/locks?limit=1000${cursor && `&cursor=${cursor}`}`,
        )
        for (const lock of body.locks) found.set(lock.id, lock.fencing_token)
        cursor = body.next_cursor
      }
      const lost = [...held.values()].filter(({ id, token }) => found.get(id) !== token)
      const back = [...released].filter(id => found.has(id))
      totals.checked += held.size + released.size
      t.same(lost, [], `crash ${crash}: of ${held.size} held locks none is lost`)
      t.same(back, [], `crash ${crash}: of ${released.size} released locks none is back`)
      await auditIsEmpty(t, sqlAt(await readFile(path.join(dataDir, 'url'), 'utf8')))
      client.close()
      t.equal(await service.stop('SIGTERM'), 0)
    }
  },
)
