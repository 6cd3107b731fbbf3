import t from 'tap'
import { welcomeText } from '../src/welcome.ts'

const PLAIN = {
  url: 'http://127.0.0.1:8080',
  database: 'PostgreSQL at db.example.com/leasehold',
  embeddedDataDir: undefined,
  firstKey: undefined,
}

t.test('A key that was made up is shown in a line to paste, and only then', async t => {
  t.match(welcomeText({ ...PLAIN, firstKey: 'lh_abc' }), '\n  export LEASEHOLD_KEY=lh_abc\n')
  t.notMatch(welcomeText(PLAIN), 'export LEASEHOLD_KEY')
})

t.test('The embedded database can be looked into, another is not ours to open', async t => {
  t.match(welcomeText({ ...PLAIN, embeddedDataDir: '.data' }), `psql "$(cat .data/url)"`)
  t.notMatch(welcomeText(PLAIN), 'psql')
})

t.test('The lines to try use one session, another each time', async t => {
  const sessions = [...welcomeText(PLAIN).matchAll(/[0-9a-f-]{36}/g)].map(([id]) => id)
  t.equal(sessions.length, 2)
  t.equal(new Set(sessions).size, 1)
  t.notMatch(welcomeText(PLAIN), sessions[0])
})

for (const [url, reachable] of [
  ['http://0.0.0.0:8080', 'http://127.0.0.1:8080'],
  ['http://[::]:8080', 'http://127.0.0.1:8080'],
  ['http://[::1]:8080', 'http://[::1]:8080'],
  ['http://192.0.2.1:8080', 'http://192.0.2.1:8080'],
] as const) {
  t.test(`Listening on ${url}, the lines to try go to ${reachable}`, async t => {
    const text = welcomeText({ ...PLAIN, url })
    t.match(text, `Leasehold listens on ${url}\n`)
    t.equal(text.split(`${reachable}/v1/`).length, 4)
    t.match(text, `${reachable}/docs\n`)
  })
}
