/**
 * Runs calls of the vendor's own client against a service and writes what came of each as JSON to standard output.
 * A process of its own, since the client wants a browser and lives in its globals.
 *
 * Usage: node sdk-process.js <package> <url> <calls as JSON>
 */
import { createRequire } from 'node:module'
import { TEAM } from './bimplus-client.ts'

/** `user` signs in with the first call that names them, `password` in hand. */
export interface SdkCall {
  readonly user: string
  readonly part: 'authorize' | 'locks'
  readonly call: string
  readonly args: readonly unknown[]
}

export type SdkResult =
  | { readonly resolved: unknown }
  /** With what jQuery says of it: `error`, or `parsererror` where it did not understand a good answer. */
  | { readonly rejected: number; readonly why: string; readonly text: string }

interface Deferred {
  then(
    done: (value: unknown) => void,
    failed: (xhr: { status: number; responseText: string }, why: string) => void,
  ): void
}

interface Api {
  readonly authorize: Record<string, (...args: readonly unknown[]) => Deferred>
  readonly locks: Record<string, (...args: readonly unknown[]) => Deferred>
  setTeamSlug(slug: string): void
  setAccessToken(token: string): void
}

interface Sdk {
  readonly Api: new (config: object) => Api
  createDefaultConfig(): object
}

interface Browser {
  readonly window: { readonly document: unknown; readonly XMLHttpRequest: unknown }
}

const load = createRequire(import.meta.url)
// both clients tell a lot on the console; standard output is for the results
console.log = console.info = console.debug = console.error
const [, , name = '', url = '', calls = '[]'] = process.argv

console.info(`${name} against ${url}`)
openBrowser()
const sdk = load(name) as Sdk
const apis = new Map<string, Api>()
const results: SdkResult[] = []
for (const { user, part, call, args } of JSON.parse(calls) as SdkCall[]) {
  const api = apis.get(user) ?? newApi()
  apis.set(user, api)
  const made = api[part][call]
  if (made === undefined) throw new Error(`${name} has no ${part}.${call}`)
  const result = await settled(made(...args))
  if (part === 'authorize' && call === 'post' && 'resolved' in result) {
    api.setAccessToken((result.resolved as { access_token: string }).access_token)
  }
  results.push(result)
}
process.stdout.write(JSON.stringify(results), () => process.exit())

/** A page of another origin than the service's, so that a call has to pass as one between origins. */
function openBrowser(): void {
  const { JSDOM } = load('jsdom') as { JSDOM: new (html: string, options: object) => Browser }
  const { window } = new JSDOM('<!doctype html>', { url: 'http://viewer.example/' })
  const { document, XMLHttpRequest } = window
  Object.assign(globalThis, { window, document, self: window, XMLHttpRequest })
  Object.assign(globalThis, { $: load('jquery') })
}

function newApi(): Api {
  const api = new sdk.Api({ ...sdk.createDefaultConfig(), protocol: 'http://', host: new URL(url).host })
  api.setTeamSlug(TEAM)
  return api
}

function settled(deferred: Deferred): Promise<SdkResult> {
  return new Promise(resolve => {
    deferred.then(
      value => resolve({ resolved: value ?? null }),
      (xhr, why) => resolve({ rejected: xhr.status, why, text: xhr.responseText }),
    )
  })
}
