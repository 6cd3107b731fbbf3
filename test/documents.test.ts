import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readConfig } from '../src/config.ts'
import { apiDocument } from '../src/http/app.ts'
import { ERROR_ANSWERS } from '../src/http/failure.ts'
import { ERROR_CODES } from '../src/locks/errors.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const NOT_OURS = new Set(['node_modules', 'build', 'vendor'])

interface Document {
  /** From the root, with slashes. */
  readonly name: string
  readonly text: string
  /** Without blocks of code. */
  readonly prose: string
}

const documents = markdownBelow('').map((name): Document => {
  const text = read(name)
  return { name, text, prose: text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '') }
})
const api = documentNamed('docs/api.md')
const operations = documentNamed('docs/operations.md')
const settingsFile = read('.env.example')

function markdownBelow(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap(entry => {
    const name = path.posix.join(folder, entry.name)
    if (entry.isDirectory())
      return NOT_OURS.has(entry.name) || entry.name.startsWith('.') ? [] : markdownBelow(name)
    return entry.name.endsWith('.md') ? [name] : []
  })
}

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8')
}

function documentNamed(name: string): Document {
  const found = documents.find(document => document.name === name)
  if (found === undefined) throw new Error(`${name} is missing`)
  return found
}

/** What the pattern's first group finds, each once. */
function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(match => match[1] ?? ''))]
}

/** A heading's name in links, as GitHub makes it. */
function anchorOf(heading: string): string {
  const words = heading.replaceAll('`', '').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  return words
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

function anchorsOf({ prose }: Document): string[] {
  return found(prose, /^#+ +(.+)$/gm).map(anchorOf)
}

/** The rows of the table below a heading, as cells. */
function tableBelow({ text }: Document, heading: string): string[][] {
  const section = text.split(new RegExp(`^#+ ${heading}$`, 'm'))[1]?.split(/^#+ /m)[0] ?? ''
  const lines = section.split('\n').filter(line => line.startsWith('|'))
  return lines.slice(2).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

t.test('every link leads to a file that is there, and to a heading in it', async t => {
  let links = 0
  for (const document of documents) {
    for (const target of found(document.prose, /\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const name = file === '' ? document.name : path.posix.join(path.posix.dirname(document.name), file)
      links += 1
      if (!existsSync(path.join(ROOT, name))) t.fail(`${document.name}: ${target} leads nowhere`)
      else if (anchor !== undefined && !anchorsOf(documentNamed(name)).includes(anchor)) {
        t.fail(`${document.name}: ${target} names a heading that is not there`)
      }
    }
  }
  t.ok(links > 50, `${links} links`)
})

t.test('every file that is mentioned is there', async t => {
  const PLACES = /(?<![\w/.-])((?:src|test|migrations|docs|bench|faults)\/[\w./*-]*[\w/])/g
  let files = 0
  for (const { name, text } of documents) {
    for (const file of found(text, PLACES)) {
      if (file.includes('*') || file.includes('NNNN')) continue
      files += 1
      if (!existsSync(path.join(ROOT, file))) t.fail(`${name} mentions ${file}`)
    }
  }
  t.ok(files > 40, `${files} files`)
})

t.test('the table of errors has every code with its status, and no other', async t => {
  const rows = tableBelow(api, 'Errors').map(([code = '', status = '']) => ({
    code: code.replaceAll('`', ''),
    status: Number.parseInt(status, 10),
  }))
  t.same(
    rows,
    ERROR_CODES.map(code => ({ code, status: ERROR_ANSWERS[code].status })),
  )
})

t.test('the page about the API has every call, every field and every parameter', async t => {
  const { paths, components } = apiDocument() as {
    paths: Record<string, Record<string, { parameters?: readonly { name: string }[] }>>
    components: { schemas: Record<string, { properties?: object }> }
  }
  const words = new Set(api.text.match(/\w+/g))
  const calls = Object.entries(paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => ({ route, method, parameters })),
  )
  t.same(
    calls
      .map(({ route, method }) =>
        route.startsWith('/v1') ? `\`${method.toUpperCase()} ${route}\`` : `${route}\``,
      )
      .filter(call => !api.text.includes(call)),
    [],
    'calls',
  )
  t.same(
    calls.flatMap(({ parameters }) => parameters.map(({ name }) => name)).filter(name => !words.has(name)),
    [],
    'parameters',
  )
  t.same(
    Object.entries(components.schemas).flatMap(([schema, { properties = {} }]) =>
      Object.keys(properties)
        .filter(name => !words.has(name))
        .map(name => `${schema}.${name}`),
    ),
    [],
    'fields',
  )
})

t.test('every example that is called JSON is JSON', async t => {
  let examples = 0
  for (const { name, text } of documents) {
    for (const [, example = ''] of text.matchAll(/^```json\n([\s\S]*?)^```/gm)) {
      examples += 1
      t.doesNotThrow(() => JSON.parse(example), `${name}: ${example.slice(0, 60)}`)
    }
  }
  t.ok(examples > 5, `${examples} examples`)
})

t.test('.env.example has every setting of the configuration once, with its default', async t => {
  const settings = [...settingsFile.matchAll(/^([A-Z_]+)=(.*)$/gm)]
  const names = settings.map(([, name]) => name)
  t.same(names, [...new Set(names)], 'none twice')
  const known = found(read('src/config.ts'), /^ {2}([A-Z_]+):/gm)
  t.ok(known.length > 10)
  t.same(new Set(names), new Set(known))
  const defaults: Record<string, unknown> = readConfig({})
  for (const [, name = '', value = ''] of settings) t.equal(String(defaults[name] ?? ''), value, name)
})

t.test('the page about operations has every setting, every metric and every view', async t => {
  const mentioned = found(
    tableBelow(operations, 'Settings')
      .map(([name]) => name)
      .join(),
    /`([A-Z_]+)`/g,
  )
  t.same(new Set(mentioned), new Set(found(settingsFile, /^([A-Z_]+)=/gm)))
  const sources = ['src/http/metrics.ts', 'src/service-metrics.ts'].map(read).join('\n')
  const metrics = found(sources, /'(leasehold_\w+)'/g)
  t.ok(metrics.length > 5)
  t.same(
    metrics.filter(metric => !operations.text.includes(`\`${metric}`)),
    [],
    'metrics',
  )
  const views = found(read('test/database/schema.sql'), /^create view (?:\w+\.)?(\w+)/gim)
  t.ok(views.length >= 3)
  t.same(
    views.filter(view => !operations.text.includes(view)),
    [],
    'views',
  )
})

t.test('every npm script that is mentioned is there', async t => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'))
  let mentions = 0
  for (const { name, text } of documents) {
    for (const script of found(text, /\bnpm run (?:--silent )?([\w:]+)/g)) {
      mentions += 1
      t.ok(script in scripts, `${name}: npm run ${script}`)
    }
  }
  t.ok(mentions > 5)
})

t.test('every promise names the tests that would fail without it', async t => {
  const guarantees = documentNamed('docs/guarantees.md')
  const [, promises = ''] = guarantees.text.split('## Promises')
  const sections = promises.split('## Not promised')[0]?.split(/^### /m).slice(1) ?? []
  t.equal(sections.length, 11)
  sections.forEach((section, index) => {
    t.ok(section.startsWith(`${index + 1}. `), `promise ${index + 1}`)
    t.match(section, /\*Tests\*:[\s\S]*`test\/[\w/.-]+\.test\.ts`/, `promise ${index + 1}`)
  })
})
