import { setTimeout as pause } from 'node:timers/promises'
import type { TcpProxy, Weather } from '../servers/tcp-proxy.ts'
import { between, type Fault, oneOf, type Stage } from './fault.ts'

/** What happens between clients and services, and between services and the database. */
export const NETWORK_FAULTS: readonly Fault[] = [
  {
    kind: 'connections to the database cut',
    lane: 'network',
    weight: 3,
    run: async ({ databaseProxies, random }) =>
      counted(oneOf(random, databaseProxies).cutAll(), 'connections cut'),
  },
  {
    kind: 'connections to the database cut in the middle',
    lane: 'network',
    weight: 2,
    run: ({ databaseProxies, random }) => torn(oneOf(random, databaseProxies), between(random, 20, 200)),
  },
  {
    kind: 'database behind a blackhole',
    lane: 'network',
    weight: 2,
    run: stage => bad(stage.databaseProxies, stage, { kind: 'blackhole' }, [300, 4000]),
  },
  {
    kind: "database's answers lost",
    lane: 'network',
    weight: 2,
    run: stage => bad(stage.databaseProxies, stage, { kind: 'half-open' }, [300, 3000]),
  },
  {
    kind: 'database slow to reach',
    lane: 'network',
    weight: 2,
    run: stage =>
      bad(
        stage.databaseProxies,
        stage,
        { kind: 'delay', delayMs: between(stage.random, 20, 300) },
        [500, 3000],
      ),
  },
  {
    kind: 'database refuses connections',
    lane: 'network',
    weight: 1,
    async run(stage) {
      const proxy = oneOf(stage.random, stage.databaseProxies)
      proxy.cutAll()
      return bad([proxy], stage, { kind: 'refuse' }, [300, 1500])
    },
  },
  {
    kind: 'clients cut off',
    lane: 'network',
    weight: 3,
    run: async ({ frontProxies, random }) => counted(oneOf(random, frontProxies).cutAll(), 'connections cut'),
  },
  {
    kind: 'clients cut off in the middle',
    lane: 'network',
    weight: 3,
    run: ({ frontProxies, random }) => torn(oneOf(random, frontProxies), between(random, 10, 100)),
  },
  {
    kind: "service's answers lost",
    lane: 'network',
    weight: 2,
    run: stage => bad(stage.frontProxies, stage, { kind: 'half-open' }, [200, 2000]),
  },
  {
    kind: 'service slow to reach',
    lane: 'network',
    weight: 2,
    run: stage =>
      bad(
        stage.frontProxies,
        stage,
        { kind: 'delay', delayMs: between(stage.random, 50, 2000) },
        [300, 2000],
      ),
  },
]

async function torn(proxy: TcpProxy, ms: number): Promise<string | undefined> {
  proxy.cutAtNextByte()
  await pause(ms)
  proxy.stopCutting()
  return counted(proxy.hits, 'pieces torn')
}

async function bad(
  proxies: readonly TcpProxy[],
  { random }: Stage,
  weather: Weather,
  [min, max]: readonly [number, number],
): Promise<string | undefined> {
  const proxy = oneOf(random, proxies)
  proxy.setWeather(weather)
  await pause(between(random, min, max))
  const { hits } = proxy
  proxy.heal()
  return counted(hits, 'pieces or connections met it')
}

function counted(count: number, what: string): string | undefined {
  return count > 0 ? `${count} ${what}` : undefined
}
