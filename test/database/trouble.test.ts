import pg from 'pg'
import t from 'tap'
import { statementTrouble } from '../../src/database/trouble.ts'

function serverError(severity: string, code: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('said by the server', 0, 'error'), { severity, code })
}

t.test(
  'a full disk leaves the outcome open where it brings the server down in the middle of a commit',
  async t => {
    t.match(statementTrouble(serverError('ERROR', '53100')), { outcome: 'unchanged' })
    t.match(statementTrouble(serverError('PANIC', '53100')), { outcome: 'unknown' })
    t.match(statementTrouble(serverError('FATAL', '57P01')), { outcome: 'unknown' })
  },
)
