import fc from 'fast-check'
import { Cast, VICTIM } from './cast.ts'
import { type Draft, Memory } from './draft.ts'
import { type Query, Tables } from './fingerprint.ts'
import type { Observed } from './health.ts'
import { type Form, forms } from './malformed.ts'
import { openDrafts, refusedDrafts } from './native-drafts.ts'
import { type Operation, operationsOf } from './operations.ts'
import { placeVictim } from './victim.ts'
import { openWireDrafts, refusedWireDrafts } from './wire-drafts.ts'

/** The service that is asked, and the database behind it. */
export interface Tested extends Observed {
  readonly port: number
  readonly schema: string
  readonly query: Query
}

/** Everything that is there before the first request is made up. */
export interface Stage {
  readonly service: Tested
  readonly memory: Memory
  readonly cast: Cast
  readonly tables: Tables
  readonly operations: readonly Operation[]
  /** Requests of any kind; of those that are refused or change nothing; bytes that are no requests. */
  readonly open: fc.Arbitrary<Draft>
  readonly refused: fc.Arbitrary<Draft>
  readonly malformed: fc.Arbitrary<Form>
}

export async function setUp(service: Tested): Promise<Stage> {
  const memory = new Memory()
  const cast = new Cast(service.url, service.adminKey, memory)
  await cast.enter(keyId =>
    service.query(`update ${service.schema}.api_keys set expires_at = created where id = $1`, [keyId]),
  )
  await cast.signIn()
  const victim = await placeVictim(cast)
  // some APIs have locks of a quarter of an hour: what changes in a long run has to be a request's fault
  await service.query(
    `update ${service.schema}.sessions set ttl = null, expires_at = 'infinity' where user_name = $1`,
    [VICTIM],
  )
  const tables = await Tables.open(service.query, service.schema)
  const document = (await cast.call('GET', '/openapi.json')).json as object
  const operations = operationsOf(document)
  return {
    service,
    memory,
    cast,
    tables,
    operations,
    open: fc.oneof(openDrafts(operations), openWireDrafts()),
    refused: fc.oneof(refusedDrafts(operations), refusedWireDrafts()),
    malformed: forms(victim.request, cast.keyOf('alice')),
  }
}
