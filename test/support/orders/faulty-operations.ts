import type { Operation } from './operations.ts'
import { ALICES_SESSION } from './world.ts'

// What must never be written: each is right unless others are at work. They show that the judge would notice.

export const SWEEP_CHOICE = `select id from leasehold.sessions where ended_at is null and expires_at <= now()`
export const SWEEP_BY_ID = `delete from leasehold.sessions where id = any($1::uuid[]) and ended_at is null returning id`

/** Chooses in one statement, and ends what it chose in another, without looking again. */
export const SWEEP_WITHOUT_SECOND_LOOK: Operation = {
  name: 'sweep without a second look',
  statements: 2,
  async act(database) {
    const chosen = await database.run<{ id: string }>(SWEEP_CHOICE, [])
    return await database.run(SWEEP_BY_ID, [chosen.map(({ id }) => id)])
  },
}

export const BLIND_END = `with ended as (
  update leasehold.sessions set ended_at = clock_timestamp()
  where id = $1 and ended_at is null and expires_at > clock_timestamp()
  returning id
), gone as (
  delete from leasehold.locks using ended where session_id = ended.id
)
select id from ended`

/** Ends a session and the locks that its own snapshot shows. */
export const END_OF_WHAT_IT_SEES: Operation = {
  name: 'end of what it sees',
  statements: 1,
  act: database => database.run(BLIND_END, [ALICES_SESSION]),
}

/** Without it nothing else ends the locks of a session. */
export const WITHOUT_TRIGGER = 'drop trigger end_locks_of_session on leasehold.sessions'

export const RELEASE_BY_NAME = `delete from leasehold.locks
where resource_id = 'a' and $1::bigint > 0 returning id, holder, fencing_token`

/** Releases whatever lock there is by now. */
export const RELEASE_OF_WHATEVER: Operation = {
  name: 'release of whatever lock there is',
  statements: 1,
  act: (database, { lockId }) => database.run(RELEASE_BY_NAME, [lockId]),
}
