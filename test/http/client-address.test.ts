import t from 'tap'
import { originOf } from '../../src/http/client-address.ts'

const of = (remoteAddress: string | undefined) => originOf({ remoteAddress })

t.test('an IPv4 address is itself, however a socket writes it', async t => {
  t.equal(of('192.0.2.7'), '192.0.2.7')
  t.equal(of('::ffff:192.0.2.7'), '192.0.2.7')
  t.equal(of('::FFFF:192.0.2.7'), '192.0.2.7')
})

t.test('IPv6 addresses of one /64 are one', async t => {
  const same = ['2001:db8:1:2::', '2001:db8:1:2::7', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::5:6']
  t.same(new Set(same.map(of)), new Set(['2001:db8:1:2']))
  t.equal(of('2001:db8::1'), '2001:db8:0:0')
  t.equal(of('::1'), '0:0:0:0')
  t.equal(of('fe80::1%eth0'), 'fe80:0:0:0')
  t.not(of('2001:db8:1:3::7'), of('2001:db8:1:2::7'))
})

t.test('a socket that has gone has none', async t => {
  t.equal(of(undefined), '')
})
