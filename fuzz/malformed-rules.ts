import { type Answer, NoAnswer, readAnswer } from './answer.ts'
import { type Form, LAST_ANSWERED } from './malformed.ts'
import type { Verdict } from './rules.ts'

/** What malformed requests, and the sound ones among them, may be answered with. */
const STATUSES = new Set([200, 201, 204, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431])

/** Judges everything that came on a connection until it was closed. */
export function formVerdict(form: Form, received: Buffer): Verdict {
  let answers: readonly Answer[]
  try {
    answers = answersIn(received)
  } catch (error) {
    if (error instanceof NoAnswer) return `${form.what}: what comes is no answer: ${error.message}`
    throw error
  }
  const odd = answers.find(({ status }) => !STATUSES.has(status))
  if (odd !== undefined) return `${form.what}: ${odd.status}`
  if (answers.length > form.mostAnswers) return `${form.what}: ${answers.length} answers`
  if (form.isLastAnswered && answers.at(-1)?.body.toString() !== LAST_ANSWERED) {
    return `${form.what}: the request at the end is not answered`
  }
  return undefined
}

/** All answers, interim ones left out. A last one that was cut off counts as none: the client knows that it is not whole. */
export function answersIn(received: Buffer): readonly Answer[] {
  const answers: Answer[] = []
  for (let rest = received; rest.length > 0; ) {
    const found = readAnswer(rest, { isEnd: true })
    if (found === undefined) return answers
    if (found.answer.status !== 100) answers.push(found.answer)
    rest = rest.subarray(found.end)
  }
  return answers
}
