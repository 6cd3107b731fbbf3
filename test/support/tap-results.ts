import { createReadStream, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pipeline } from 'node:stream/promises'

/** What a run of tests came to. */
export interface TapResults {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly failures: readonly Failure[]
}

export interface Failure {
  /** The test's name with those of the tests around it, from the file on. */
  readonly name: string
  readonly diagnostics: unknown
}

/** The part of tap-parser that is used here. */
interface Parser extends NodeJS.WritableStream {
  on(event: 'assert', listener: (result: Assertion) => void): this
  on(event: 'child', listener: (child: Parser) => void): this
  on(event: string, listener: (...args: never[]) => void): this
}

interface Assertion {
  readonly ok: boolean
  readonly name: string
  readonly skip: boolean | string
  readonly todo: boolean | string
  readonly diag: unknown
}

/**
 * Counts the assertions of a raw TAP file. A test that failed without a failed assertion - its file crashed, timed
 * out, held no test - counts as one.
 */
export async function readTapResults(file: string): Promise<TapResults> {
  const tally = new Tally()
  if (!existsSync(file)) return tally
  const parser = makeParser()
  tally.follow(parser, [])
  await pipeline(createReadStream(file), parser)
  return tally
}

class Tally implements TapResults {
  passed = 0
  failed = 0
  skipped = 0
  readonly failures: Failure[] = []

  follow(parser: Parser, path: readonly string[]): void {
    let failuresBefore: number | undefined
    parser.on('child', child => {
      failuresBefore = this.failed
      this.follow(child, [...path, nameOf(child)])
    })
    parser.on('assert', result => {
      const closesChild = failuresBefore !== undefined
      const failedInside = failuresBefore !== undefined && this.failed > failuresBefore
      failuresBefore = undefined
      if (result.skip !== false || result.todo !== false) this.skipped++
      else if (!result.ok && !failedInside) this.#fail([...path, result.name], result.diag)
      else if (result.ok && !closesChild) this.passed++
    })
  }

  #fail(names: readonly string[], diagnostics: unknown): void {
    this.failed++
    this.failures.push({ name: names.filter(name => name !== '').join(' > '), diagnostics })
  }
}

function nameOf(child: Parser): string {
  return 'name' in child && typeof child.name === 'string' ? child.name : ''
}

/** tap-parser is tap's, not ours: it is taken from where tap takes it. */
function makeParser(): Parser {
  const tap = createRequire(import.meta.url).resolve('tap')
  const core = createRequire(tap).resolve('@tapjs/core')
  const module = createRequire(core)('tap-parser') as { Parser: new () => Parser }
  return new module.Parser()
}
