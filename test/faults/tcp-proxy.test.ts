import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { TcpProxy } from '../../faults/servers/tcp-proxy.ts'

/** A server that sends everything back, behind a proxy, and a client of it. */
async function echo(t: {
  teardown(task: () => void): void
}): Promise<{ proxy: TcpProxy; client: Socket; received: () => string }> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await TcpProxy.start((server.address() as AddressInfo).port)
  const client = connect({ host: '127.0.0.1', port: proxy.port, noDelay: true })
  client.on('error', () => {})
  await once(client, 'connect')
  let received = ''
  client.setEncoding('utf8').on('data', (text: string) => {
    received += text
  })
  t.teardown(() => {
    client.destroy()
    proxy.close()
    server.close()
  })
  return { proxy, client, received: () => received }
}

function closed(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    socket.once('close', () => resolve())
  })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2))
}

t.test('in fair weather everything gets through', async t => {
  const { client, received, proxy } = await echo(t)
  client.write('hello')
  await until(() => received() === 'hello')
  t.equal(proxy.hits, 0)
})

t.test('bytes that are held back keep their order, also when the weather changes', async t => {
  const { client, received, proxy } = await echo(t)
  proxy.setWeather({ kind: 'delay', delayMs: 50 })
  client.write('a')
  await until(() => proxy.hits > 0)
  proxy.heal()
  client.write('b')
  await until(() => received().length === 2)
  t.equal(received(), 'ab')
})

t.test('a blackhole swallows, and cuts what it has damaged when it is gone', async t => {
  const { client, received, proxy } = await echo(t)
  proxy.setWeather({ kind: 'blackhole' })
  client.write('lost')
  await until(() => proxy.hits > 0)
  const isClosed = closed(client)
  proxy.heal()
  await isClosed
  t.equal(received(), '')
})

t.test('half open, requests arrive and answers do not', async t => {
  const { client, received, proxy } = await echo(t)
  proxy.setWeather({ kind: 'half-open' })
  client.write('hello')
  await until(() => proxy.hits > 0)
  t.equal(received(), '')
})

t.test('connections are cut, at once or in the middle', async t => {
  const first = await echo(t)
  const firstClosed = closed(first.client)
  first.client.write('x')
  await until(() => first.received() === 'x')
  t.equal(first.proxy.cutAll(), 1)
  await firstClosed

  const second = await echo(t)
  second.proxy.cutAtNextByte()
  const secondClosed = closed(second.client)
  second.client.write('half of this')
  await secondClosed
  t.equal(second.proxy.hits, 1)
})
