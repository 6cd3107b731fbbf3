import type { Database } from '../../../src/database/database.ts'
import { LockRepository } from '../../../src/database/lock-repository.ts'
import { SessionRepository } from '../../../src/database/session-repository.ts'
import { endExpiredSql } from '../../../src/database/statements/end-sessions.ts'
import { named, request } from '../database.ts'
import { ALICES_SESSION, TOMS_SESSION } from './world.ts'

/** What a call knows: who else may do the same, and which lock there was of `a`. */
interface Scene {
  /** A name that no other actor has. */
  readonly user: string
  readonly lockId: string
}

/** Something that a client, an administrator or the sweeper does. */
export interface Operation {
  readonly name: string
  /** How many statements of it are one step: what follows depends on their answers, and comes anew. */
  readonly statements: number
  act(database: Database, scene: Scene): Promise<unknown>
}

function operation(name: string, act: Operation['act'], statements = 1): Operation {
  return { name, statements, act }
}

const locks = (database: Database) => new LockRepository(database, { retried: () => {} })
/** With a statement for each touch and release, which waits. Those that pass a row by leave nothing to be ordered. */
const ALONE = { batching: { maxBatch: 1, maxInFlight: 1 } }
const lone = (database: Database) => new LockRepository(database, { retried: () => {} }, ALONE)
const sessions = (database: Database) => new SessionRepository(database, 3600, ALONE)
const alices = named(ALICES_SESSION, 3600)
const toms = named(TOMS_SESSION, 3600)
const implicit = { kind: 'implicit', ttlSeconds: 3600 } as const

export const OPERATIONS: readonly Operation[] = [
  operation('acquire a', (database, { user }) =>
    locks(database).acquire([request('a', { holder: user, session: implicit })]),
  ),
  operation('acquire a, a and b together', (database, { user }) =>
    locks(database).acquire([
      request('a', { holder: user, session: implicit }),
      request('a', { holder: `other ${user}`, session: implicit }),
      request('b', { holder: user, session: implicit }),
    ]),
  ),
  operation('acquire the set b, a', (database, { user }) =>
    locks(database).acquire([request(['b', 'a'], { holder: user, session: implicit })]),
  ),
  operation("acquire the set a, b under tom's session", database =>
    locks(database).acquire([request(['a', 'b'], { holder: 'tom', session: toms })]),
  ),
  operation("repeat the acquire of a under alice's session", database =>
    locks(database).acquire([request('a', { holder: 'alice', session: alices })]),
  ),
  operation("acquire b under alice's session", database =>
    locks(database).acquire([request('b', { holder: 'alice', session: alices })]),
  ),
  operation("acquire b under alice's session, and a under tom's", database =>
    locks(database).acquire([
      request('b', { holder: 'alice', session: alices }),
      request('a', { holder: 'tom', session: toms }),
    ]),
  ),
  operation("acquire the set a, b under alice's session, which has to exist", database =>
    locks(database).acquire([
      request(['a', 'b'], { holder: 'alice', session: { kind: 'existing', id: ALICES_SESSION } }),
    ]),
  ),
  operation('touch the lock', (database, { lockId }) =>
    lone(database).touch({ namespace: 'tests', lockId, holder: 'alice' }),
  ),
  operation("touch alice's session", database => sessions(database).touch(ALICES_SESSION, 'alice')),
  operation('release the lock', (database, { lockId }) =>
    lone(database).release({ namespace: 'tests', lockId, holder: 'alice' }),
  ),
  operation('release a and b of alice', database =>
    locks(database).releaseSet({
      namespace: 'tests',
      holder: 'alice',
      which: {
        kind: 'resources',
        resources: [
          { type: 'thing', id: 'a' },
          { type: 'thing', id: 'b' },
        ],
      },
    }),
  ),
  operation("end alice's session", database => sessions(database).end(ALICES_SESSION, 'alice')),
  operation("end alice's session if it has expired", database =>
    database.run(endExpiredSql('leasehold'), [[ALICES_SESSION]]),
  ),
  operation('sweep', database => sessions(database).sweep(10, null)),
  operation('sweep what has just ended, too', database => new SessionRepository(database, 0).sweep(10, null)),
  operation('take a over', (database, { user }) =>
    locks(database).acquire([
      request('a', { holder: user, session: implicit, takeover: { reason: 'test' } }),
    ]),
  ),
  operation("take a and b over under tom's session", database =>
    locks(database).acquire([
      request(['a', 'b'], { holder: 'tom', session: toms, takeover: { reason: 'test' } }),
    ]),
  ),
  operation('replace the own lock of a', database =>
    locks(database).acquire([request('a', { holder: 'alice', session: implicit, replacesOwn: true })]),
  ),
  operation(
    'acquire a, which the user may hold already',
    database =>
      locks(database).acquire([request('a', { holder: 'alice', session: implicit, reentry: 'user' })]),
    2,
  ),
  operation('acquire a as the only one', database =>
    locks(database).acquire([
      request('a', { holder: 'alice', session: implicit, reentry: 'user', isSole: true }),
    ]),
  ),
  operation('acquire b as the only one', database =>
    locks(database).acquire([
      request('b', { holder: 'alice', session: implicit, reentry: 'user', isSole: true }),
    ]),
  ),
  operation("start alice's session", database =>
    sessions(database).create({ id: ALICES_SESSION, user: 'alice', client: null, ttlSeconds: 3600 }),
  ),
]

/** What is done most, and what ends sessions. */
export const CORE: readonly Operation[] = [
  'acquire a',
  'acquire a, a and b together',
  "acquire the set a, b under tom's session",
  "repeat the acquire of a under alice's session",
  "acquire b under alice's session, and a under tom's",
  'touch the lock',
  'release the lock',
  "end alice's session",
  "end alice's session if it has expired",
  'sweep',
  'take a over',
  "take a and b over under tom's session",
].map(theOperation)

export function theOperation(name: string): Operation {
  const found = OPERATIONS.find(operation => operation.name === name)
  if (found === undefined) throw new Error(`no operation is called ${name}`)
  return found
}
