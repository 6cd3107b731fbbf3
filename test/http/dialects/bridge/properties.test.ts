import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { faults } from '../../../support/database.ts'
import { SEED } from '../../../support/random.ts'
import type { Answer } from '../../service.ts'
import { type Bridge, startBridge } from './bridge.ts'

/**
 * Random sequences of calls by three users on a course template and a task of the same number, compared with a
 * model of what the vendor's page says. Time passes by moving the sessions' times.
 */

const USERS = ['alice', 'bob', 'carol'] as const
const FOLDERS = ['course_templates', 'tasks'] as const
const LOCK_SECONDS = 900
/** Longer than a sequence can take, shorter than what passes at once. */
const TOLERANCE_SECONDS = 40

type User = (typeof USERS)[number]

interface ModelLock {
  readonly id: string
  readonly holder: User
  secondsLeft: number
}

/** One call, or some time. */
type Step =
  | {
      readonly kind: 'call'
      readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
      readonly user: User
      readonly folder: (typeof FOLDERS)[number]
      /** Which id is sent: the resource's own where it is locked, or one of those seen, or any. */
      readonly lockId: { readonly kind: 'right' | 'any' } | { readonly kind: 'seen'; readonly which: number }
    }
  | { readonly kind: 'time'; readonly seconds: number }

const call = fc.record({
  kind: fc.constant('call' as const),
  method: fc.constantFrom('GET' as const, 'POST' as const, 'PUT' as const, 'DELETE' as const),
  user: fc.constantFrom(...USERS),
  folder: fc.constantFrom(...FOLDERS),
  lockId: fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('right' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('seen' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('any' as const) }) },
  ),
})
const time = fc.record({ kind: fc.constant('time' as const), seconds: fc.constantFrom(100, 400, 850, 1000) })
const steps = fc.array(fc.oneof({ weight: 8, arbitrary: call }, { weight: 1, arbitrary: time }), {
  minLength: 5,
  maxLength: 30,
})

class Model {
  readonly #refusesHolder: boolean
  readonly #locks = new Map<string, ModelLock>()
  /** Every id that was ever handed out. */
  readonly ids: string[] = []

  constructor(refusesHolder: boolean) {
    this.#refusesHolder = refusesHolder
  }

  lockOn(folder: string): ModelLock | undefined {
    return this.#locks.get(folder)
  }

  pass(seconds: number): void {
    for (const [folder, lock] of this.#locks) {
      lock.secondsLeft -= seconds
      if (lock.secondsLeft <= 0) this.#locks.delete(folder)
    }
  }

  /** The status that the call has to have; the answer tells the id of a new lock. */
  answer(
    { method, folder, user }: Step & { kind: 'call' },
    lockId: string,
    { status, json }: Answer,
  ): number {
    const lock = this.#locks.get(folder)
    switch (method) {
      case 'GET':
        return lock === undefined ? 404 : 200
      case 'POST': {
        if (lock !== undefined && (lock.holder !== user || this.#refusesHolder)) return 409
        if (status !== 200) return 200
        this.ids.push(json.lock.id)
        this.#locks.set(folder, { id: json.lock.id, holder: user, secondsLeft: LOCK_SECONDS })
        return 200
      }
      default: {
        if (lock?.id !== lockId) return 409
        if (lock.holder !== user) return 403
        if (method === 'DELETE') this.#locks.delete(folder)
        else lock.secondsLeft = LOCK_SECONDS
        return 204
      }
    }
  }
}

let lastNumber = 0

async function follow(service: Bridge, refusesHolder: boolean, sequence: readonly Step[], counts: Counts) {
  const model = new Model(refusesHolder)
  lastNumber += 1
  for (const step of sequence) {
    if (step.kind === 'time') {
      model.pass(step.seconds)
      await service.stores.sql(
        `update sessions set started = started - $1 * interval '1 s', last_touch = last_touch - $1 * interval '1 s',
           expires_at = expires_at - $1 * interval '1 s'`,
        [step.seconds],
      )
      continue
    }
    const lockId = lockIdOf(step, model)
    const path = `/api/author/${step.folder}/${lastNumber}/lock`
    const answer = await service.ask(step.method, path, { key: service.bridgeKeys[step.user], lockId })
    const known = new Set(model.ids)
    const expected = model.answer(step, lockId, answer)
    const where = `${JSON.stringify(step)}: ${answer.status} ${answer.text}`
    if (answer.status !== expected) throw new Error(`${expected} was expected: ${where}`)
    counts[`${step.method} ${answer.status}`] = (counts[`${step.method} ${answer.status}`] ?? 0) + 1
    const lock = model.lockOn(step.folder)
    if (step.method === 'GET' && lock !== undefined) await requireStatus(service, answer, step, lock)
    if (step.method === 'POST' && answer.status === 200) {
      if (known.has(answer.json.lock.id)) throw new Error(`the id was used before: ${where}`)
    }
  }
}

function lockIdOf({ lockId, folder }: Step & { kind: 'call' }, model: Model): string {
  const right = model.lockOn(folder)?.id
  if (lockId.kind === 'right' && right !== undefined) return right
  if (lockId.kind === 'seen')
    return model.ids.at(-1 - (lockId.which % (model.ids.length || 1))) ?? randomUUID()
  return randomUUID()
}

async function requireStatus(
  service: Bridge,
  { json, text }: Answer,
  { folder }: Step & { kind: 'call' },
  { holder, secondsLeft }: ModelLock,
) {
  const { expires_in: expiresIn, ...lock } = json.lock
  const expected = {
    lockable_id: lastNumber,
    lockable_type: folder === 'tasks' ? 'Task' : 'CourseTemplate',
    holder_id: String(await service.services.users.numberOf(holder)),
  }
  const isInTime =
    Number.isInteger(expiresIn) && expiresIn <= secondsLeft && expiresIn > secondsLeft - TOLERANCE_SECONDS
  if (JSON.stringify(lock) !== JSON.stringify(expected) || !isInTime) {
    throw new Error(`${JSON.stringify(expected)} with ${secondsLeft} s left was expected: ${text}`)
  }
}

type Counts = Record<string, number>

for (const refusesHolder of [false, true]) {
  const setting = refusesHolder ? 'refused' : 'handed a new id'
  t.test(`answers are those of the model, where a holder who asks again is ${setting}`, async t => {
    const service = await startBridge(t, { refusesHolder })
    const counts: Counts = {}
    t.comment(`seed ${SEED}`)
    await fc.assert(
      fc.asyncProperty(steps, sequence => follow(service, refusesHolder, sequence, counts)),
      { numRuns: 120, seed: SEED },
    )
    t.comment(`answers: ${JSON.stringify(counts)}`)
    // The rarest, a PUT by the holder with the right id, comes about 20 times.
    for (const answer of ['GET 200', 'GET 404', 'POST 200', 'POST 409', 'PUT 204', 'PUT 403', 'PUT 409']) {
      t.ok((counts[answer] ?? 0) > 0, answer)
    }
    for (const answer of ['DELETE 204', 'DELETE 403', 'DELETE 409']) t.ok((counts[answer] ?? 0) > 0, answer)
    t.same(await faults(service.stores), [])
  })
}
