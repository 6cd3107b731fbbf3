import { requireNamespace } from './access.ts'
import type { Principal } from './api-key.ts'
import type { HistoryFilter, HistoryStore, LockEvent } from './history.ts'

/** Whoever may look at the locks of a namespace may look at what became of them. */
export class HistoryService {
  readonly #store: Pick<HistoryStore, 'list'>

  constructor(store: Pick<HistoryStore, 'list'>) {
    this.#store = store
  }

  async list(principal: Principal, filter: HistoryFilter): Promise<readonly LockEvent[]> {
    requireNamespace(principal, filter.namespace)
    return this.#store.list(filter)
  }
}
