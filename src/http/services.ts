import type { Logger } from 'pino'
import type { CatalogueService } from '../locks/catalogue-service.ts'
import type { HistoryService } from '../locks/history-service.ts'
import type { KeyService } from '../locks/key-service.ts'
import type { LockService } from '../locks/lock-service.ts'
import type { RateLimiter } from '../locks/rate-limiter.ts'
import type { SessionService } from '../locks/session-service.ts'
import type { SignInService } from '../locks/sign-in-service.ts'
import type { UserService } from '../locks/user-service.ts'
import type { DialectSettings } from './dialects.ts'
import type { Metrics } from './metrics.ts'

/** What the HTTP floor needs of the rest of the house. */
export interface AppServices {
  readonly locks: LockService
  readonly sessions: SessionService
  readonly catalogue: CatalogueService
  readonly history: HistoryService
  readonly keys: KeyService
  readonly signIns: SignInService
  readonly users: UserService
  /** Why the service should get no requests now; empty: it is ready. Bounded in time by whoever gives it. */
  readonly readiness: () => Promise<readonly string[]>
  readonly metrics: Metrics
  /** The text of a scrape, where it is more than the metrics of this process. */
  readonly scrape?: () => Promise<string>
  readonly log: Logger
  /** How often each key may come, by its id; undefined: as often as it likes. */
  readonly keyRates?: RateLimiter | undefined
  readonly dialects: DialectSettings
  /** True: /metrics needs no key. */
  readonly publicMetrics?: boolean
  /** True from the moment the service has begun to stop. */
  readonly isDraining?: () => boolean
}
