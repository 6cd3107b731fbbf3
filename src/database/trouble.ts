import pg from 'pg'
import { DatabaseTrouble } from '../locks/errors.ts'

/** PostgreSQL's code for a transaction that would have to be repeated (SQLSTATE, appendix A of its manual). */
export const SERIALIZATION_FAILURE = '40001'

/** A statement prepared earlier no longer fits: after a migration, or behind a pooler. Nothing was executed. */
const STALE_STATEMENT = new Set(['0A000', '26000', '42P05'])

export function isStaleStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && STALE_STATEMENT.has(error.code ?? '')
}

export function isDeadlock(error: unknown): boolean {
  const cause = error instanceof DatabaseTrouble ? error.cause : undefined
  return cause instanceof pg.DatabaseError && cause.code === '40P01'
}

/** The statement waited too long for a lock that another has, and changed nothing. */
export function isLockTimeout(error: unknown): boolean {
  const cause = error instanceof DatabaseTrouble ? error.cause : undefined
  return cause instanceof pg.DatabaseError && cause.code === LOCK_TIMEOUT
}

/** The statement took longer than the connection's statements may, and changed nothing. */
export function isStatementTimeout(error: unknown): boolean {
  const cause = error instanceof DatabaseTrouble ? error.cause : undefined
  return cause instanceof pg.DatabaseError && cause.code === STATEMENT_TIMEOUT
}

/** An error of the server that left the connection in order; with `states`, one of these. */
export function hasSqlState(error: unknown, ...states: readonly string[]): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  const state = error.code ?? ''
  return states.length === 0 ? !FATAL.test(state) : states.includes(state)
}

/**
 * The server ends the connection, or is itself in trouble. Told by the code, since the word FATAL comes in the
 * server's own language.
 */
const FATAL = /^(08|57P|25P0[345]|58|XX|$)/

/** The server is reached but refuses to work: where that is a plain ERROR, nothing of the statement happened. */
const REFUSED = /^(53|25006|28|3D000|40P01)/

/** A table, column, function or schema is missing: the database is older than this code. */
const OLD_SCHEMA = new Set(['42P01', '42703', '42883', '3F000'])

/** The server gave up on a statement for its length; `statement_timeout` stops counting before the commit. */
const LOCK_TIMEOUT = '55P03'
const STATEMENT_TIMEOUT = '57014'
const TOO_SLOW = new Set([STATEMENT_TIMEOUT, LOCK_TIMEOUT])

/**
 * Whether a statement failed for what was in it, or for a row that it waited for: undone for certain, and another
 * statement may well succeed.
 */
export function isFaultOfStatement(error: unknown): boolean {
  const cause = error instanceof DatabaseTrouble ? error.cause : error
  if (!(cause instanceof pg.DatabaseError)) return false
  return error instanceof DatabaseTrouble ? TOO_SLOW.has(cause.code ?? '') : hasSqlState(error)
}

/**
 * What a failure to get a connection means: the statement was never sent, so nothing changed, whatever became of the
 * statements that prepare a new connection.
 */
export function connectTrouble(error: unknown): unknown {
  if (error instanceof DatabaseTrouble) {
    if (error.outcome === 'unchanged') return error
    return new DatabaseTrouble(error.code, 'unchanged', error.message, { cause: error })
  }
  const waited = error instanceof Error && error.message.includes('timeout')
  if (waited) {
    return new DatabaseTrouble(
      'database_timeout',
      'unchanged',
      'no connection to the database could be had in time',
      { cause: error },
    )
  }
  return new DatabaseTrouble('database_unavailable', 'unchanged', 'the database cannot be reached', {
    cause: error,
  })
}

/**
 * What a failed statement means. An ERROR undid it, so nothing changed. A lost connection, or a server that
 * goes down, leaves the outcome unknown: the commit may have happened before the answer was lost.
 * Errors that are neither (a violated constraint, wrong SQL) are ours and come back untouched.
 */
export function statementTrouble(error: unknown): unknown {
  if (error instanceof DatabaseTrouble) return error
  if (error instanceof TypeError || error instanceof RangeError) return error
  if (!(error instanceof pg.DatabaseError)) {
    return new DatabaseTrouble(
      'database_unavailable',
      'unknown',
      'the connection to the database was lost while it worked',
      { cause: error },
    )
  }
  const code = error.code ?? ''
  if (FATAL.test(code)) {
    return new DatabaseTrouble('database_unavailable', 'unknown', 'the database stopped while it worked', {
      cause: error,
    })
  }
  if (TOO_SLOW.has(code)) {
    return new DatabaseTrouble('database_timeout', 'unchanged', 'the database was too slow', { cause: error })
  }
  if (REFUSED.test(code)) {
    // a disk that is full while a commit is written is a PANIC with the same code as one that is full before.
    // The word comes in the server's language: in another one, more is called unknown than has to be
    const outcome = error.severity === 'ERROR' ? 'unchanged' : 'unknown'
    return new DatabaseTrouble('database_unavailable', outcome, 'the database refuses to work', {
      cause: error,
    })
  }
  if (OLD_SCHEMA.has(code)) {
    return new DatabaseTrouble(
      'database_unavailable',
      'unchanged',
      'the database lacks something that this version needs; run "npm run migrate -- up"',
      { cause: error },
    )
  }
  return error
}
