import { connect } from 'node:net'
import t from 'tap'
import { startService } from '../../service.ts'
import { basic, send, type WireAnswer } from './client.ts'

/**
 * What published clients were seen to send, header for header. They are replayed and not run: one is a plugin of an
 * editor, the other a package of PHP.
 */

const service = await startService(t)
const { port, keys } = service
const XML = 'application/xml; charset=UTF-8'
const PROJECT = '/qcbin/rest/domains/DEFAULT/projects/REST'

/** The cookies of Commons HttpClient 3.1: its attributes go along, and nothing that it was not given. */
class JavaClient {
  readonly #cookies = new Map<string, string>()

  async call(method: string, path: string, body?: string): Promise<WireAnswer> {
    const cookies = [...this.#cookies].map(([name, value]) => `$Version=0; ${name}=${value}; $Path=/`)
    cookies.splice(1, 0, '$Version=0; TENANT_ID_COOKIE=0; $Path=/; $Domain=127.0.0.1')
    const headers = {
      'User-Agent': 'Jakarta Commons-HttpClient/3.1',
      Host: `127.0.0.1:${port}`,
      ...(this.#cookies.size > 0 && { Cookie: cookies.join('; ') }),
      ...(method !== 'GET' && {
        'Content-Length': String(Buffer.byteLength(body ?? '')),
        'Content-Type': XML,
      }),
    }
    const answer = await send(port, method, path, headers, body)
    for (const field of answer.setCookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? []
      this.#cookies.set(name, value)
    }
    return answer
  }

  /** 201 would be a failure to it, and 404 an older server. */
  async signIn(user: string, key: string): Promise<void> {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\r\n<alm-authentication><user>${user}</user><password>${key}</password></alm-authentication>\r\n`
    const signedIn = await this.call('POST', '/qcbin/authentication-point/alm-authenticate', body)
    if (signedIn.status !== 200) throw new Error(signedIn.text)
    const session = await this.call(
      'POST',
      '/qcbin/rest/site-session',
      '<?xml version="1.0" encoding="UTF-8"?>\r\n<session-parameters><client-type>ALI_IDEA_plugin</client-type></session-parameters>\r\n',
    )
    if (session.status !== 201) throw new Error(session.text)
  }
}

t.test('the Java client signs in, locks, unlocks and signs out', async t => {
  const client = new JavaClient()
  await client.signIn('alice', keys.alice)
  const path = `${PROJECT}/defects/86/lock`
  const locked = await client.call('POST', path)
  t.equal(locked.status, 200)
  t.match(
    locked.text,
    /<Entity Type="defect"><Fields><Field Name="id"><Value>86<\/Value><\/Field><\/Fields><\/Entity>$/,
  )
  const lock = await service.stores.locks.find({ namespace: 'DEFAULT/REST', type: 'defect', id: '86' })
  t.match(lock, { holder: 'alice', client: 'ALI_IDEA_plugin' })
  t.match(await client.call('DELETE', path), { status: 200, text: '' })
  await client.call('POST', path)
  t.equal((await client.call('GET', '/qcbin/authentication-point/logout')).status, 200)
  t.equal(await service.stores.locks.count(), 0)
})

t.test('the Java client repeats a refused request, and shows the title of the second answer', async t => {
  const holder = new JavaClient()
  await holder.signIn('alice', keys.alice)
  const path = `${PROJECT}/requirements/7/lock`
  await holder.call('POST', path)
  const client = new JavaClient()
  await client.signIn('bob', keys.bob)
  const answers = [await client.call('POST', path), await client.call('POST', path)]
  for (const { status, text } of answers) {
    t.equal(status, 403)
    t.ok(text.startsWith('<?xml ') || text.startsWith('<QCRestException>'))
    t.match(/<Title>(.*)<\/Title>/.exec(text)?.[1], /locked by user 'alice'$/)
  }
  await holder.call('DELETE', path)
  t.equal((await client.call('POST', path)).status, 200)
  await client.call('GET', '/qcbin/authentication-point/logout')
})

t.test('the Java client signs in again after a 401, and holds the same locks', async t => {
  const client = new JavaClient()
  await client.signIn('alice', keys.alice)
  const path = `${PROJECT}/tests/3/lock`
  await client.call('POST', path)
  // its first session goes on beside the second, as on the vendor's servers
  await client.signIn('alice', keys.alice)
  t.equal((await client.call('POST', path)).status, 200)
  t.equal((await client.call('DELETE', path)).status, 200)
})

t.test('the PHP client, which knows one cookie alone, locks, asks and unlocks', async t => {
  const signedIn = await send(port, 'GET', '/qcbin/authentication-point/authenticate', {
    Host: `127.0.0.1:${port}`,
    Authorization: basic('alice', keys.alice),
    Accept: '*/*',
  })
  t.equal(signedIn.status, 200)
  const cookie = /LWSSO_COOKIE_KEY=[^;]+/.exec(signedIn.setCookies.join())?.[0] ?? ''
  const headers = { Host: `127.0.0.1:${port}`, Cookie: cookie, Accept: '*/*' }
  const withBody = { ...headers, 'Content-Type': 'application/xml', 'Content-Length': '0' }
  const path = `${PROJECT}/defects/5/lock`
  const status = async () =>
    /<LockStatus>(\w+)<\/LockStatus>/.exec((await send(port, 'GET', path, headers)).text)?.[1]
  t.equal(await status(), 'UNLOCKED')
  t.equal((await send(port, 'POST', path, withBody)).status, 200)
  t.equal(await status(), 'LOCKED_BY_ME')
  t.equal((await send(port, 'DELETE', path, withBody)).status, 200)
  t.equal(await status(), 'UNLOCKED')
  t.equal((await send(port, 'GET', path, withBody)).status, 200, 'a type of a body that does not come')
})

t.test('a request of bytes as they are on the wire is understood', async t => {
  const signedIn = await send(port, 'GET', '/qcbin/authentication-point/authenticate', {
    Authorization: basic('alice', keys.alice),
  })
  const value = /LWSSO_COOKIE_KEY=([^;]+)/.exec(signedIn.setCookies.join())?.[1]
  const lines = [
    `DELETE ${PROJECT}/defects/5/lock%20 HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Cookie: $Version=0; LWSSO_COOKIE_KEY="${value}"; $Path=/`,
    'Content-Type: application/xml',
    'Content-Length: 0',
    'Connection: close',
  ]
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  })
  t.match(answer, /^HTTP\/1\.1 404 /)
  t.match(answer, /<Id>qccore\.entity-not-found<\/Id>/)
})
