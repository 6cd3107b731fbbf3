import t from 'tap'
import { DIALECTS, startService } from '../../service.ts'
import { AlmClient, basic, cookiesOf, send } from './client.ts'

const settings = { ...DIALECTS, alm: { ...DIALECTS.alm, timeZone: 'Asia/Jerusalem' } }
const service = await startService(t, { dialects: settings })
const key = await service.keyOf('steves', 'locker')

/** The vendor's own example, but for the values of the cookies. */
const BODY = `{
    "data": [
        {
            "entity": {
                "id": 2,
                "type": "defect"
            }
        }
    ]  
}
`.replaceAll('\n', '\r\n')

t.test("the vendor's example request comes to the vendor's example answer", async t => {
  await service.stores.sql("select setval(pg_get_serial_sequence('locks', 'id'), 1015)")
  const signedIn = await send(service.port, 'POST', '/qcbin/api/authentication/sign-in', {
    Authorization: basic('steves', key),
  })
  const cookies = cookiesOf(signedIn)
  const answer = await send(
    service.port,
    'POST',
    'http://my_server/qcbin/api/domains/DEFAULT/projects/REST/locks',
    {
      Host: 'my_server:8081',
      Connection: 'keep-alive',
      'Content-Length': String(Buffer.byteLength(BODY)),
      Accept: 'application/json',
      'Content-Type': 'application/json',
      'Accept-Encoding': 'gzip, deflate',
      'Accept-Language': 'en-US,en;q=0.8,he;q=0.6',
      Cookie: `JSESSIONID=1234567890; XSRF-TOKEN=${cookies['XSRF-TOKEN']}; QCSession=${cookies.QCSession}; ALM_USER=1234567890; LWSSO_COOKIE_KEY=${cookies.LWSSO_COOKIE_KEY}`,
    },
    BODY,
  )
  t.equal(answer.status, 201)
  const times = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g
  t.equal(
    answer.text.replaceAll(times, '2015-01-06 15:13:11'),
    '{"data":[{"type":"lock","id":1016,"entity":{"id":2,"type":"defect"},"user":"steves","lock-time":"2015-01-06 15:13:11","session-last-touch":"2015-01-06 15:13:11"}]}',
  )
  t.equal(answer.headers['content-length'], '163', "the vendor's example says so too")
  t.equal(answer.headers['content-type'], 'application/json')
  t.same(answer.setCookies, [`LWSSO_COOKIE_KEY=${cookies.LWSSO_COOKIE_KEY};Path=/;HTTPOnly`])
  t.equal(answer.headers.location, '/qcbin/api/domains/DEFAULT/projects/REST/locks/1016')
})

t.test('times are those of the zone that the settings name', async t => {
  const client = await new AlmClient(service).signIn('steves', key)
  await service.stores.sql(`update locks set lock_time = '2015-01-06T13:13:11.9Z'`)
  const { json } = await client.call('GET', '/qcbin/api/domains/default/projects/REST/locks/1016')
  t.equal(json['lock-time'], '2015-01-06 15:13:11', "as in the vendor's example, two hours ahead of GMT")
})

t.test('the domain is the same in upper and lower case, the project is not', async t => {
  const client = await new AlmClient(service).signIn('steves', key)
  const read = (domain: string, project: string) =>
    client.call('GET', `/qcbin/api/domains/${domain}/projects/${project}/locks`)
  t.equal((await read('default', 'REST')).json['total-results'], 1)
  t.equal((await read('Default', 'REST')).json['total-results'], 1)
  t.equal((await read('DEFAULT', 'rest')).status, 403, 'the key is for another namespace')
})
