import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Replacement } from './control.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** What the service looks for beside its folder build. */
const LINKED = ['migrations', 'vendor', 'node_modules', 'package.json']

/**
 * Copies the compiled service into a folder, with other texts in some places, and returns its main file. Throws where
 * a text is not found: the guard was written anew, and its mutant has to be too.
 */
export async function makeMutant(folder: string, replacements: readonly Replacement[]): Promise<string> {
  const home = join(folder, 'mutant')
  await mkdir(home)
  await cp(join(ROOT, 'build', 'src'), join(home, 'build', 'src'), { recursive: true })
  for (const name of LINKED) await symlink(join(ROOT, name), join(home, name))
  for (const { file, from, to } of replacements) {
    const path = join(home, 'build', 'src', file)
    await writeFile(path, replaced(await readFile(path, 'utf8'), from, to, file))
  }
  return join(home, 'build', 'src', 'main.js')
}

export function replaced(text: string, from: string, to: string, file: string): string {
  if (!text.includes(from))
    throw new Error(`${file} has no longer the text that a control replaces:\n${from}`)
  return text.replaceAll(from, to)
}
