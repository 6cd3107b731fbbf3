import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url))

/**
 * The floors of the house, and what each may use besides itself and Node: floors by their names, packages as
 * they are imported. Who stands on the ground knows nothing of HTTP or SQL, and HTTP and SQL nothing of each
 * other.
 */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  locks: ['lru-cache'],
  database: ['locks', 'kysely', 'pg', 'node-pg-migrate', 'lru-cache', 'p-limit'],
  http: [
    'locks',
    'koa',
    '@koa/router',
    'zod',
    'zod-openapi',
    'pino',
    'prom-client',
    'raw-body',
    'type-is',
    'fast-xml-parser',
  ],
}

interface Import {
  readonly file: string
  readonly floor: string
  /** A floor, a file at the top, or a package. */
  readonly target: string
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(SOURCES, file), 'utf8')
  const specifiers = [...text.matchAll(/(?:\bfrom\s|\bimport\s*\(?)\s*'([^']+)'/g)].map(
    match => match[1] ?? '',
  )
  return specifiers
    .filter(specifier => !specifier.startsWith('node:') && !builtinModules.includes(specifier))
    .map(specifier => ({ file, floor: topOf(file), target: targetOf(file, specifier) }))
}

function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return topOf(path.join(path.dirname(file), specifier))
  return specifier.startsWith('@') ? specifier.split('/', 2).join('/') : (specifier.split('/')[0] ?? '')
}

function topOf(file: string): string {
  return file.split(path.sep)[0] ?? ''
}

const imports = filesBelow(SOURCES).flatMap(importsOf)

t.test('the imports of the sources are read', async t => {
  t.ok(imports.length > 100, `${imports.length} imports`)
  for (const floor of Object.keys(FLOORS))
    t.ok(
      imports.some(found => found.floor === floor),
      `${floor} has some`,
    )
})

t.test('no import climbs the house', async t => {
  const climbing = imports.filter(
    ({ floor, target }) => floor in FLOORS && target !== floor && !FLOORS[floor]?.includes(target),
  )
  t.same(
    climbing.map(({ file, target }) => `${file} imports ${target}`),
    [],
  )
})

t.test('dialects do not import each other', async t => {
  const dialects = `http${path.sep}dialects${path.sep}`
  for (const file of filesBelow(SOURCES).filter(name => name.startsWith(dialects))) {
    const own = path.join(dialects, file.slice(dialects.length).split(path.sep)[0] ?? '')
    const text = readFileSync(path.join(SOURCES, file), 'utf8')
    const foreign = [...text.matchAll(/from\s*'(\.[^']+)'/g)]
      .map(match => path.join(path.dirname(file), match[1] ?? ''))
      .filter(target => target.startsWith(dialects) && !target.startsWith(own + path.sep))
    t.same(foreign, [], `${file} keeps to itself`)
  }
})

t.test('no floor reads a setting from the environment by itself', async t => {
  const readers = filesBelow(SOURCES)
    .filter(file => topOf(file) in FLOORS)
    .filter(file => /process\.env\s*[.[]/.test(readFileSync(path.join(SOURCES, file), 'utf8')))
  t.same(readers, [])
})
