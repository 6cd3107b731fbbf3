import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import { openStores } from '../support/database.ts'
import { startService } from '../support/service-process.ts'

const RACERS = 50
const ROUNDS = 200

t.test('of fifty racers through two services exactly one wins, and the others are told who', async t => {
  const stores = await openStores(t)
  const DATABASE_URL = stores.url
  const services = await Promise.all([startService(t, { DATABASE_URL }), startService(t, { DATABASE_URL })])
  const clients = services.map(({ url }) => new Client(url, { connections: RACERS / 2 }))
  t.teardown(() => {
    for (const client of clients) client.close()
  })
  let winners = 0
  let toldWho = 0
  let refused = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: RACERS }, (_, racer) =>
        (clients[racer % 2] as Client).acquire('prize', { client: `racer ${racer}` }),
      ),
    )
    const won = answers.filter(({ status }) => status === 201)
    const lost = answers.filter(({ status }) => status === 409)
    if (won.length !== 1) t.fail(`round ${round} has ${won.length} winners`)
    const lock = won[0]?.body.locks[0]
    winners += won.length
    refused += lost.length
    toldWho += lost.filter(
      ({ body }) => body.conflicts[0].id === lock.id && body.conflicts[0].client === lock.client,
    ).length
    const unknown = answers.filter(({ status }) => status !== 201 && status !== 409)
    if (unknown.length > 0) t.fail(`round ${round}: ${JSON.stringify(unknown[0])}`)
    const released = await (clients[round % 2] as Client).release(lock.id)
    if (released.status !== 204) t.fail(`round ${round}: the release is answered ${released.status}`)
  }
  t.comment(
    `${ROUNDS} rounds of ${RACERS} racers: ${winners} winners, ${toldWho} of ${refused} losers told who won`,
  )
  t.equal(winners, ROUNDS)
  t.equal(refused, ROUNDS * (RACERS - 1))
  t.equal(toldWho, refused)
  await auditIsEmpty(t, stores)
})
