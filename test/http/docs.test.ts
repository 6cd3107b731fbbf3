import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { apiDocument } from '../../src/http/app.ts'
import { v1 } from '../../src/http/v1/family.ts'
import { startService } from './service.ts'

const service = await startService(t)

t.test('the page and its files are served without a key, and name no other host', async t => {
  const page = await service.call('GET', '/docs')
  t.equal(page.status, 200)
  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  t.match(page.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/)
  const links = [...page.text.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(match => match[1] ?? '')
  t.equal(links.length, 3)
  for (const link of links) {
    t.notMatch(link, /^(https?:)?\/\//)
    const file = await service.call('GET', `/${link}`)
    t.equal(file.status, 200, link)
    t.match(file.headers.get('content-type'), /^text\/(css|javascript)/)
    t.equal(file.headers.get('x-content-type-options'), 'nosniff')
  }
})

t.test('the vendored files may be kept for ever, the page may not', async t => {
  const { text, headers } = await service.call('GET', '/docs')
  t.equal(headers.get('cache-control'), 'no-cache')
  const bundle = /src="(docs\/[\d.]+\/swagger-ui-bundle\.js)"/.exec(text)?.[1]
  const file = await service.call('GET', `/${bundle}`)
  t.match(file.headers.get('cache-control'), /immutable/)
})

t.test('a file that could not be read at first is there when it can be', async t => {
  const script = `
    import { closeSync, openSync } from 'node:fs'
    import { docsRoutes } from ${JSON.stringify(new URL('../../src/http/docs.js', import.meta.url).href)}
    const { handle } = docsRoutes.find(({ path }) => path.endsWith('.css'))
    const tell = () => handle().then(({ body }) => String(body.length > 0), ({ code }) => code)
    const open = []
    try {
      for (;;) open.push(openSync(process.execPath))
    } catch {}
    const first = await tell()
    for (const file of open) closeSync(file)
    console.log(first, await tell())
  `
  const { stdout } = await promisify(execFile)('/bin/sh', [
    '-c',
    'ulimit -n 64 && exec "$@"',
    'sh',
    process.execPath,
    '--input-type=module',
    '--eval',
    script,
  ])
  t.equal(stdout, 'EMFILE true\n')
})

t.test('the version in the addresses is the one that is vendored', async t => {
  const readme = readFileSync(new URL('../../../vendor/swagger-ui/README.md', import.meta.url), 'utf8')
  const version = /^# swagger-ui ([\d.]+)$/m.exec(readme)?.[1]
  t.match((await service.call('GET', '/docs')).text, `docs/${version}/`)
})

t.test('the document is served, and has every call of the API', async t => {
  const { status, json, headers } = await service.call('GET', '/openapi.json')
  t.equal(status, 200)
  t.equal(headers.get('content-type'), 'application/json')
  t.same(json, JSON.parse(JSON.stringify(apiDocument())))
  for (const { path, method } of v1.routes)
    t.ok(json.paths[path]?.[method.toLowerCase()], `${method} ${path}`)
  for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json']) t.ok(json.paths[path], path)
})

t.test('every reply in the document has an example that its schema accepts', async t => {
  for (const { operationId, replies } of v1.routes) {
    for (const [status, { schema, example }] of Object.entries(replies)) {
      if (schema !== undefined) t.doesNotThrow(() => schema.parse(example), `${operationId} ${status}`)
    }
  }
})

t.test('every example of a body is one that the call accepts', async t => {
  for (const route of v1.routes) {
    if (route.access === 'public' || route.body === undefined) continue
    const examples = Object.values(route.bodyExamples ?? {})
    t.ok(examples.length > 0, `${route.operationId} has examples`)
    for (const { value } of examples) t.doesNotThrow(() => route.body?.parse(value))
  }
})
