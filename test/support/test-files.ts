import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, normalize, relative, sep } from 'node:path'

/**
 * The compiled test files below the project's root. They are found by their sources, since build/ keeps the
 * compiled files of tests that are gone. `wanted` names files or folders, as source or compiled; none means all.
 */
export async function compiledTests(root: string, wanted: readonly string[]): Promise<string[]> {
  const entries = await readdir(join(root, 'test'), { recursive: true, withFileTypes: true })
  const sources = entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .sort()
  const picks = wanted.map(path => sourcePath(root, path))
  const chosen = new Set<string>()
  for (const pick of picks) {
    const found = sources.filter(source => source === pick || source.startsWith(`${pick}${sep}`))
    if (found.length === 0) throw new Error(`no test file matches ${pick}`)
    for (const source of found) chosen.add(source)
  }
  const names = wanted.length === 0 ? sources : [...chosen]
  return names.map(source => {
    const compiled = join('build', source.replace(/\.ts$/, '.js'))
    if (!existsSync(join(root, compiled)))
      throw new Error(`${source} has not been compiled: run npm run build`)
    return compiled
  })
}

function sourcePath(root: string, path: string): string {
  const fromRoot = normalize(relative(root, join(process.cwd(), path)))
  return fromRoot
    .replace(/^build[\\/]/, '')
    .replace(/\.js$/, '.ts')
    .replace(/[\\/]$/, '')
}
