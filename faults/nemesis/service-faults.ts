import { setTimeout as pause } from 'node:timers/promises'
import { processState } from '../servers/process-state.ts'
import { between, type Fault, oneOf } from './fault.ts'

const DAY_MS = 86_400_000

/** What happens to one replica of the service. */
export const SERVICE_FAULTS: readonly Fault[] = [
  {
    kind: 'service killed',
    lane: 'service',
    weight: 4,
    async run({ services, random }) {
      const service = oneOf(random, services)
      const end = await service.end('SIGKILL')
      await pause(between(random, 0, 500))
      await service.start()
      return end === 'SIGKILL' ? `${service.name} ended by ${end}` : undefined
    },
  },
  {
    kind: 'service restarted',
    lane: 'service',
    weight: 3,
    async run({ services, random }) {
      const service = oneOf(random, services)
      const end = await service.end('SIGTERM')
      await service.start()
      return end === 'exit code 0' ? `${service.name} ended with ${end}` : undefined
    },
  },
  {
    kind: 'service paused past ttls',
    lane: 'service',
    weight: 4,
    async run({ services, random, shortTtlMs }) {
      const service = oneOf(random, services)
      service.signal('SIGSTOP')
      await pause(shortTtlMs * between(random, 0.2, 2))
      const state = service.pid === undefined ? undefined : await processState(service.pid)
      service.signal('SIGCONT')
      return state === 'T' ? `${service.name} was in state T` : undefined
    },
  },
  {
    kind: "service's clock off by a day",
    lane: 'service',
    weight: 3,
    async run({ services, random }) {
      const service = oneOf(random, services)
      const clockOffsetMs = Math.round(between(random, -1, 1) * DAY_MS)
      const seen = await service.disturb({ clockOffsetMs, stallMs: 0 })
      await pause(between(random, 1000, 4000))
      await service.disturb({ clockOffsetMs: 0, stallMs: 0 })
      const isOff = seen !== undefined && Math.abs(seen.aheadMs - clockOffsetMs) < 1000
      return isOff ? `${service.name} was ${Math.round(seen.aheadMs / 1000)} s ahead` : undefined
    },
  },
  {
    kind: "service's event loop stalled",
    lane: 'service',
    weight: 3,
    async run({ services, random }) {
      const service = oneOf(random, services)
      const stallMs = Math.round(between(random, 200, 3000))
      const seen = await service.disturb({ clockOffsetMs: 0, stallMs })
      return seen?.stallMs === stallMs ? `${service.name} stalled for ${stallMs} ms` : undefined
    },
  },
]
