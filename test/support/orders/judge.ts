import pg from 'pg'
import { acquireBatchSql } from '../../../src/database/statements/acquire-batch.ts'
import { acquireManySql } from '../../../src/database/statements/acquire-many.ts'
import { acquireOneSql } from '../../../src/database/statements/acquire-one.ts'
import { acquireSoleSql } from '../../../src/database/statements/acquire-sole.ts'
import { createSessionSql } from '../../../src/database/statements/create-session.ts'
import { endExpiredSql, endSessionSql, sweepSql } from '../../../src/database/statements/end-sessions.ts'
import { releaseSql } from '../../../src/database/statements/release.ts'
import { releaseSetSql } from '../../../src/database/statements/release-set.ts'
import { takeOverSql } from '../../../src/database/statements/take-over.ts'
import { touchHoldersSql, touchLockSql, touchSessionSql } from '../../../src/database/statements/touch.ts'
import type { Row } from './actor.ts'
import { BLIND_END, RELEASE_BY_NAME, SWEEP_BY_ID, SWEEP_CHOICE } from './faulty-operations.ts'
import type { Ended, Story } from './race.ts'
import { LATE_TOUCH, type LockState, type SessionState, type State } from './world.ts'

/** A commit, and the world around it. */
interface Commit {
  readonly statement: Ended
  readonly before: State
  readonly after: State
  /** All that was committed at some time while the statement was under way, the state before its commit included. */
  readonly meanwhile: readonly State[]
  readonly added: readonly LockState[]
  readonly removed: readonly LockState[]
  /** Sessions that were there, not ended, and are no more. */
  readonly dead: readonly SessionState[]
  readonly made: readonly SessionState[]
}

type Rule = (commit: Commit) => readonly string[]

/** What is wrong with what happened, in words; empty where all is well. */
export function faultsOf(story: Story): readonly string[] {
  const faults: string[] = []
  const greatest = new Map<string, number>()
  story.states.forEach((state, index) => {
    faults.push(...faultsOfState(state))
    const before = story.states[index - 1]
    for (const lock of state.locks.values()) {
      const known = before?.locks.get(lock.id)
      if (known === undefined) {
        if (lock.token <= (greatest.get(lock.resource) ?? 0)) {
          faults.push(`the token of lock ${lock.id} is not greater than an earlier one of ${lock.resource}`)
        }
        greatest.set(lock.resource, lock.token)
      } else if (JSON.stringify(known) !== JSON.stringify(lock)) faults.push(`lock ${lock.id} is another now`)
    }
  })
  for (const statement of story.ended) {
    if (statement.error === undefined) faults.push(...faultsOfCommit(story, statement))
    else if (!isExpected(statement)) faults.push(`${statement.actor} failed: ${String(statement.error)}`)
  }
  faults.push(...faultsOfOutcomes(story))
  return faults
}

/** Only that a set was taken in part, because of somebody else. */
function isExpected({ error, text }: Ended): boolean {
  return error instanceof pg.DatabaseError && error.code === '40001' && MAY_UNDO_ITSELF.has(text)
}

/** What may never be, whoever is at work. */
function faultsOfState({ sessions, locks }: State): readonly string[] {
  const faults: string[] = []
  const resources = new Set<string>()
  const withLocks = new Set<string>()
  for (const lock of locks.values()) {
    const session = sessions.get(lock.sessionId)
    withLocks.add(lock.sessionId)
    if (session === undefined) faults.push(`lock ${lock.id} has no session`)
    else if (session.ended) faults.push(`lock ${lock.id} is under an ended session`)
    else if (session.user !== lock.holder) faults.push(`lock ${lock.id} is not of its session's user`)
    if (resources.has(lock.resource)) faults.push(`${lock.resource} is granted twice`)
    resources.add(lock.resource)
  }
  for (const session of sessions.values()) {
    if (session.endsWithLastLock && !session.ended && !withLocks.has(session.id)) {
      faults.push(`session ${session.id} ends with its last lock and has none`)
    }
  }
  return faults
}

function faultsOfCommit(story: Story, statement: Ended): readonly string[] {
  const after = story.states[statement.committedAs]
  const before = story.states[statement.committedAs - 1]
  if (before === undefined || after === undefined) throw new Error('a commit without its states')
  const commit: Commit = {
    statement,
    before,
    after,
    meanwhile: story.states.slice(statement.startedAfter, statement.committedAs),
    added: [...after.locks.values()].filter(({ id }) => !before.locks.has(id)),
    removed: [...before.locks.values()].filter(({ id }) => !after.locks.has(id)),
    dead: [...before.sessions.values()].filter(
      ({ id, ended, started }) =>
        !ended && (after.sessions.get(id)?.ended !== false || after.sessions.get(id)?.started !== started),
    ),
    made: [...after.sessions.values()].filter(
      ({ id, started }) => before.sessions.get(id)?.started !== started,
    ),
  }
  const rule = RULES.get(statement.text)
  if (rule === undefined) throw new Error(`no rule for ${statement.text}`)
  const faults = [...rule(commit)]
  if (statement.text !== LATE_TOUCH) faults.push(...revivals(commit))
  return faults.map(fault => `${statement.actor}: ${fault}`)
}

/** Whoever was dead stays dead, and nobody's time is cut short. */
function revivals({ before, after }: Commit): readonly string[] {
  const faults: string[] = []
  for (const session of after.sessions.values()) {
    const earlier = before.sessions.get(session.id)
    if (earlier === undefined || earlier.started !== session.started) continue
    if (session.live && !earlier.live) faults.push(`session ${session.id} was dead and lives again`)
    if (session.expiresAt < earlier.expiresAt) faults.push(`session ${session.id} expires earlier now`)
  }
  return faults
}

function faultsOfOutcomes({ outcomes, ended }: Story): readonly string[] {
  const faults: string[] = []
  outcomes.forEach((outcome, actor) => {
    if (outcome === undefined) return
    if ('error' in outcome) {
      faults.push(`${actor} rejects: ${String(outcome.error)}`)
      return
    }
    const granted = new Set(
      ended
        .filter(statement => statement.actor === actor && statement.error === undefined)
        .flatMap(({ rows }) => rows.filter(isGrant).map(({ id }) => String(id))),
    )
    for (const { kind, grants = [] } of acquired(outcome.value)) {
      if (kind === 'contended') faults.push(`${actor} gave up`)
      for (const { lock } of grants) {
        if (!granted.has(lock.id)) faults.push(`${actor} answers lock ${lock.id}, which no statement granted`)
      }
    }
  })
  return faults
}

interface Acquired {
  readonly kind?: string
  readonly grants?: readonly { readonly lock: { readonly id: string } }[]
}

function acquired(value: unknown): readonly Acquired[] {
  return Array.isArray(value) ? (value as Acquired[]) : []
}

const isGrant = ({ state }: Row) => state === 'granted' || state === 'existing'

function isLive(state: State, lockId: unknown): boolean {
  const lock = state.locks.get(String(lockId))
  return lock !== undefined && state.sessions.get(lock.sessionId)?.live === true
}

const ids = (things: readonly ({ readonly id: unknown } | Row)[]) => things.map(({ id }) => String(id)).sort()

function differ(what: string, found: readonly string[], expected: readonly string[]): readonly string[] {
  return found.join() === expected.join()
    ? []
    : [`${what}: ${found.join()}, but answered: ${expected.join()}`]
}

/** Nothing of this kind may happen here. */
function none(what: string, things: readonly { readonly id: string }[]): readonly string[] {
  return things.map(({ id }) => `${what} ${id}`)
}

/** What every statement that acquires answers for. `rows` of one request are taken together. */
function acquiring(commit: Commit): readonly string[] {
  const { statement, before, after, meanwhile, added, made } = commit
  const faults: string[] = []
  faults.push(
    ...differ('granted', ids(added), ids(statement.rows.filter(({ state }) => state === 'granted'))),
  )
  for (const lock of added) {
    if (!isLive(after, lock.id)) faults.push(`granted lock ${lock.id} under a dead session`)
    const earlier = [...before.locks.values()].find(({ resource }) => resource === lock.resource)
    if (earlier !== undefined && after.locks.has(earlier.id)) faults.push(`granted ${lock.resource} twice`)
  }
  for (const { id } of made) {
    if (!added.some(({ sessionId }) => sessionId === id)) faults.push(`made session ${id} for nothing`)
  }
  const seen = [...meanwhile, after]
  for (const row of statement.rows) {
    const { state, id, session_id } = row
    if (state === 'existing' && !meanwhile.some(moment => isLive(moment, id))) {
      faults.push(`answers that lock ${id} exists, which never lived meanwhile`)
    }
    if (state === 'conflict' && !seen.some(moment => isLive(moment, id))) {
      faults.push(`answers that lock ${id} is in the way, which never lived meanwhile`)
    }
    if (
      state === 'expired' &&
      !meanwhile.some(moment => moment.locks.has(String(id)) && !isLive(moment, id))
    ) {
      faults.push(`answers that lock ${id} has expired, which it has not`)
    }
    if (state === 'session_expired' && !hasSession(meanwhile, statement, session => !session.live)) {
      faults.push('answers that its session has expired, which it has not')
    }
    if (state === 'session_not_found' && !lacksSession(meanwhile, statement)) {
      faults.push(`answers that its session is not there: ${session_id}`)
    }
  }
  for (const rows of byRequest(statement.rows)) {
    if (rows.some(({ state }) => state === 'granted') && !rows.every(isGrant))
      faults.push('took a set in part')
    // each answer may be as old as the statement; but who is granted the rest of a set has to have all of it
    if (rows.some(({ state }) => state === 'granted')) {
      faults.push(
        ...none(
          'completes a set with a lock that is gone:',
          (rows as readonly { id: string }[]).filter(({ id }) => !isLive(after, id)),
        ),
      )
    }
  }
  if (statement.isAlone && isContended(statement)) faults.push('is contended, though nobody else is at work')
  return faults
}

function byRequest(rows: readonly Row[]): readonly (readonly Row[])[] {
  const groups = new Map<unknown, Row[]>()
  for (const row of rows) groups.set(row.request, [...(groups.get(row.request) ?? []), row])
  return [...groups.values()]
}

function isContended(statement: Ended): boolean {
  const { text, rows, parameters } = statement
  if (text === MANY)
    return new Set(rows.map(({ request }) => request)).size < (parameters[0] as unknown[]).length
  // what is covered was looked for by a statement before this one, and others may have been at work in between
  const covers = text === BATCH ? isCovered(statement) : () => false
  return (
    rows.length === 0 || rows.some((row, position) => row.state === 'contended' && !covers(row, position))
  )
}

/** Whether re-entry by user covers the lock that a row of acquireBatchSql tells of: there is one for each resource. */
function isCovered({ parameters }: Ended): (row: Row, position: number) => boolean {
  const [sessionIds, users, , , , , reentries, , , , sessionIdOf] =
    parameters as readonly (readonly unknown[])[]
  return ({ request, holder }, position) =>
    reentries?.[Number(request) - 1] === 'user' &&
    users?.[sessionIds?.indexOf(sessionIdOf?.[position]) ?? -1] === holder
}

/** The sessions that a statement names are among its parameters. */
const isNamed = ({ parameters }: Ended, id: string) => JSON.stringify(parameters).includes(id)

function hasSession(
  moments: readonly State[],
  statement: Ended,
  is: (session: SessionState) => boolean,
): boolean {
  return moments.some(({ sessions }) =>
    [...sessions.values()].some(session => isNamed(statement, session.id) && is(session)),
  )
}

function lacksSession(moments: readonly State[], statement: Ended): boolean {
  return moments.some(({ sessions }) => ![...sessions.keys()].some(id => isNamed(statement, id)))
}

/** Its own grants and nothing else. */
const acquire: Rule = commit => [
  ...acquiring(commit),
  ...none('ends lock', commit.removed),
  ...none('ends session', commit.dead),
]

/** Besides, a lock that re-entry covers is nobody else's, and in nobody's way. */
const acquireBatch: Rule = commit => {
  const covered = commit.statement.rows.filter(isCovered(commit.statement))
  return [
    ...acquire(commit),
    ...covered
      .filter(({ state }) => state === 'conflict')
      .map(({ id }) => `is told that its own lock ${id} is in the way`),
  ]
}

/** Besides, it ends the locks that stood in the way, and sessions that end with them. */
const takeOver: Rule = commit => {
  const taken = new Set(commit.added.map(({ resource }) => resource))
  return [
    ...acquiring(commit),
    ...none(
      'ends lock',
      commit.removed.filter(({ resource }) => !taken.has(resource)),
    ),
    ...endsOnlyEmptied(commit),
  ]
}

/** Besides, it gives up what its holder had of the kind. */
const acquireSole: Rule = commit => {
  const holder = commit.statement.parameters[4]
  return [
    ...acquiring(commit),
    ...none(
      'ends lock',
      commit.removed.filter(lock => !lock.sole || lock.holder !== holder || commit.added.length === 0),
    ),
    ...endsOnlyEmptied(commit),
  ]
}

/** Of those that end with their last lock, the ones that had it taken away. */
function endsOnlyEmptied({ dead, removed }: Commit): readonly string[] {
  return none(
    'ends session',
    dead.filter(
      ({ id, endsWithLastLock }) => !endsWithLastLock || !removed.some(({ sessionId }) => sessionId === id),
    ),
  )
}

const touchHolders: Rule = commit => [
  ...changesNothing(commit),
  ...commit.statement.rows
    .filter(({ id }) => commit.before.sessions.get(String(id))?.live !== true)
    .map(({ id }) => `touched session ${id}, which does not live`),
]

const touchLock: Rule = commit => {
  const { statement, meanwhile } = commit
  const [lockId] = statement.parameters
  const [row] = statement.rows
  const faults = changesNothing(commit)
  if (row === undefined) {
    return meanwhile.some(moment => !isLive(moment, lockId))
      ? faults
      : [...faults, 'did not touch a live lock']
  }
  return meanwhile.some(moment => isLive(moment, row.id))
    ? faults
    : [...faults, 'touched a lock that never lived meanwhile']
}

const touchSession: Rule = commit => {
  const { statement, before, meanwhile } = commit
  const id = String(statement.parameters[0])
  const isTouched = statement.rows[0]?.touched === true
  const faults = changesNothing(commit)
  if (isTouched && before.sessions.get(id)?.live !== true) {
    return [...faults, 'touched a session that does not live']
  }
  if (!isTouched && meanwhile.every(({ sessions }) => sessions.get(id)?.live === true)) {
    return [...faults, 'did not touch a live session']
  }
  return faults
}

function changesNothing({ added, removed, dead, made }: Commit): readonly string[] {
  return [
    ...none('grants lock', added),
    ...none('ends lock', removed),
    ...none('ends session', dead),
    ...none('makes session', made),
  ]
}

const release: Rule = commit => {
  const { statement, added, made, removed, before, meanwhile } = commit
  const [lockId] = statement.parameters
  const faults = [
    ...none('grants lock', added),
    ...none('makes session', made),
    ...differ('released', ids(removed), ids(statement.rows)),
    ...none(
      'released a dead lock:',
      removed.filter(({ id }) => !isLive(before, id)),
    ),
    ...none(
      'released another lock:',
      removed.filter(({ id }) => id !== lockId),
    ),
    ...endsOnlyEmptied(commit),
  ]
  if (removed.length === 0 && meanwhile.every(moment => isLive(moment, lockId))) {
    faults.push('did not release a live lock')
  }
  return faults
}

const releaseSet: Rule = commit => {
  const { statement, added, made, removed, before, meanwhile } = commit
  const [namespace, holder] = statement.parameters
  const listed = (item: string) => statement.rows.filter(row => row.item === item)
  return [
    ...none('grants lock', added),
    ...none('makes session', made),
    ...differ(`released in ${namespace}`, ids(removed), ids(listed('released'))),
    ...none(
      "released another's or a dead lock:",
      removed.filter(lock => lock.holder !== holder || !isLive(before, lock.id)),
    ),
    ...listed('conflict')
      .filter(({ id }) => !meanwhile.some(moment => isLive(moment, id)))
      .map(({ id }) => `answers that lock ${id} is in the way, which never lived meanwhile`),
    ...endsOnlyEmptied(commit),
  ]
}

/** Ends sessions with all that they have. `may` says which. */
function ending(may: (session: SessionState) => boolean): Rule {
  return ({ statement, added, made, removed, dead }) => [
    ...none('grants lock', added),
    ...none('makes session', made),
    ...differ('ended', ids(dead), ids(statement.rows)),
    ...none(
      'ended session',
      dead.filter(session => !may(session)),
    ),
    ...none(
      'ends lock',
      removed.filter(({ sessionId }) => !dead.some(({ id }) => id === sessionId)),
    ),
  ]
}

const endSession: Rule = commit => {
  const faults = ending(({ live, user }) => live && user === 'alice')(commit)
  const id = String(commit.statement.parameters[0])
  if (commit.dead.length > 0 || commit.meanwhile.some(({ sessions }) => sessions.get(id)?.live !== true)) {
    return faults
  }
  return [...faults, 'did not end a live session']
}

/** Ends expired sessions and removes tombstones; it answers how many. */
const sweep: Rule = ({ statement, added, made, removed, dead, before, after }) => {
  const [row] = statement.rows
  const tombstones = [...before.sessions.values()].filter(({ id, ended }) => ended && !after.sessions.has(id))
  return [
    ...none('grants lock', added),
    ...none('makes session', made),
    ...differ('counts', [`${dead.length}, ${tombstones.length}`], [`${row?.sessions}, ${row?.tombstones}`]),
    ...none(
      'ended session',
      dead.filter(({ live }) => live),
    ),
    ...none(
      'ends lock',
      removed.filter(({ sessionId }) => !dead.some(({ id }) => id === sessionId)),
    ),
  ]
}

const createSession: Rule = ({ statement, added, removed, dead, made, meanwhile }) => {
  const id = String(statement.parameters[0])
  const isMade = statement.rows.length > 0
  return [
    ...none('grants lock', added),
    ...none('ends lock', removed),
    ...none('ends session', dead),
    ...differ('made', ids(made), isMade ? [id] : []),
    ...(isMade || meanwhile.some(({ sessions }) => sessions.has(id)) ? [] : ['did not make a session']),
  ]
}

const MANY = acquireManySql('leasehold')
const BATCH = acquireBatchSql('leasehold')

/** By statement. A sweep and an acquirer may end expired sessions only, and an expired one is dead. */
const RULES = new Map<string, Rule>([
  [acquireOneSql('leasehold'), acquire],
  [MANY, acquire],
  [BATCH, acquireBatch],
  [acquireSoleSql('leasehold'), acquireSole],
  [takeOverSql('leasehold'), takeOver],
  [touchHoldersSql('leasehold'), touchHolders],
  [touchLockSql('leasehold', { waits: true }), touchLock],
  [touchSessionSql('leasehold', { waits: true }), touchSession],
  [releaseSql('leasehold', { waits: true }), release],
  [releaseSetSql('leasehold', 'resources', { large: false }), releaseSet],
  [endSessionSql('leasehold'), endSession],
  [endExpiredSql('leasehold'), ending(({ live }) => !live)],
  [sweepSql('leasehold'), sweep],
  [createSessionSql('leasehold'), createSession],
  [LATE_TOUCH, changesNothing],
  [SWEEP_CHOICE, changesNothing],
  [SWEEP_BY_ID, ending(({ live }) => !live)],
  [BLIND_END, ending(({ live }) => live)],
  [RELEASE_BY_NAME, release],
])

const MAY_UNDO_ITSELF = new Set([BATCH, takeOverSql('leasehold'), acquireSoleSql('leasehold')])
