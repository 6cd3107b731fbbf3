import t from 'tap'
import { readHttpAnswer } from '../../bench/http-answer.ts'
import { readRespReply } from '../../bench/resp-answer.ts'

const WITH_LENGTH = 'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhe\u00fc!'
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'
const EMPTY = 'HTTP/1.1 204 No Content\r\nX-Request-Id: 1\r\n\r\n'

t.test('an answer of HTTP is read, however its end is told', async t => {
  t.same(readHttpAnswer(Buffer.from(WITH_LENGTH)), { status: 201, body: 'he\u00fc!' })
  t.same(readHttpAnswer(Buffer.from(CHUNKED)), { status: 200, body: 'abcde' })
  t.same(readHttpAnswer(Buffer.from(EMPTY)), { status: 204, body: '' })
})

t.test('an answer of HTTP that has not arrived whole is waited for', async t => {
  for (const answer of [WITH_LENGTH, CHUNKED, EMPTY].map(text => Buffer.from(text))) {
    for (let length = 0; length < answer.length; length += 1) {
      t.equal(readHttpAnswer(answer.subarray(0, length)), undefined)
    }
  }
})

t.test('more than one answer of HTTP, one without its length, and something else are refused', async t => {
  t.throws(() => readHttpAnswer(Buffer.from(`${WITH_LENGTH}H`)), /1 bytes came after/)
  t.throws(() => readHttpAnswer(Buffer.from(`${CHUNKED}H`)), /1 bytes came after/)
  t.throws(() => readHttpAnswer(Buffer.from(`${EMPTY}H`)), /1 bytes came after/)
  t.throws(() => readHttpAnswer(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), /how long/)
  t.throws(() => readHttpAnswer(Buffer.from('SSH-2.0\r\n\r\n')), /not an answer/)
})

t.test('replies of Redis are read, and waited for until they are whole', async t => {
  const replies = { '+OK\r\n': 'OK', ':1\r\n': 1, '$2\r\nab\r\n': 'ab', '$-1\r\n': null }
  for (const [text, value] of Object.entries(replies)) {
    t.same(readRespReply(Buffer.from(text)), { value })
    for (let length = 0; length < text.length; length += 1) {
      t.equal(readRespReply(Buffer.from(text.slice(0, length))), undefined)
    }
    t.throws(() => readRespReply(Buffer.from(`${text}+`)), /1 bytes came after/)
  }
})

t.test('an error of Redis is one', async t => {
  t.throws(() => readRespReply(Buffer.from('-ERR unknown command\r\n')), /-ERR unknown command/)
})
