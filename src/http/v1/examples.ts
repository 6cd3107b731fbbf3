import type { ErrorCode } from '../../locks/errors.ts'

/** The lock and the session that the examples of the document tell about. */
export const EXAMPLE_LOCK = {
  id: '1016',
  fencing_token: 1099511628792,
  namespace: 'DEFAULT/REST',
  resource: { type: 'defect', id: '2' },
  holder: 'steves',
  client: 'ws-15',
  session: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
  reference: null,
  metadata: {},
  lock_time: '2026-01-06T15:13:11.123Z',
  session_last_touch: '2026-01-06T15:13:11.123Z',
  expires_at: '2026-01-06T15:13:41.123Z',
  expires_in: 30,
}

export const EXAMPLE_GRANT = { ...EXAMPLE_LOCK, existing: false }

export const EXAMPLE_SESSION = {
  id: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
  user: 'steves',
  client: 'ws-15',
  ttl: 60,
  started: '2026-01-06T15:13:11.123Z',
  last_touch: '2026-01-06T15:13:11.123Z',
  expires_at: '2026-01-06T15:14:11.123Z',
  expires_in: 60,
  ends_with_last_lock: false,
}

export const EXAMPLE_EVENT = {
  id: '2033',
  kind: 'released',
  at: '2026-01-06T15:13:27.501Z',
  lock: '1016',
  fencing_token: 1099511628792,
  namespace: 'DEFAULT/REST',
  resource: { type: 'defect', id: '2' },
  holder: 'steves',
  client: 'ws-15',
  session: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
  lock_time: '2026-01-06T15:13:11.123Z',
  expired_at: null,
  ended_by: 'steves',
  reason: null,
}

export const EXAMPLE_KEY = {
  id: '7',
  user: 'steves',
  role: 'locker',
  namespace: 'DEFAULT/REST',
  created: '2026-01-06T15:13:11.123Z',
  expires_at: null,
}

/** The detail, and what comes besides it. Without an entry, the title has to do. */
export const PROBLEM_EXAMPLES: Partial<Record<ErrorCode, readonly [string, Record<string, unknown>?]>> = {
  invalid_request: [
    'resources[1].id is required',
    { errors: [{ field: 'resources[1].id', message: 'is required' }] },
  ],
  unauthenticated: ['the key is not in force, or belongs to another user than the one named'],
  forbidden: ['this key is for the namespace DEFAULT/REST only'],
  lock_not_found: ['there is no lock 1016 here: it was released, has expired, or never was'],
  session_not_found: [
    'there is no session b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11; an acquire with `session` and `ttl` makes one',
  ],
  session_expired: [
    'session b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11 has ended or expired, and its locks with it; start again with a new session id',
  ],
  key_not_found: ['there is no key 7 in force'],
  lock_conflict: ['steves holds the lock', { conflicts: [EXAMPLE_LOCK], conflict_count: 1 }],
  rate_limited: ['this key has sent too many requests; nothing was done'],
  payload_too_large: ['the body is larger than 262144 bytes'],
  not_ready: [
    'the database cannot be reached',
    { errors: [{ field: 'service', message: 'the database cannot be reached' }] },
  ],
  database_unavailable: [
    'the database cannot be reached; nothing was changed, and the same request can be sent again',
    { outcome: 'unchanged' },
  ],
  database_timeout: [
    'the database did not answer in time; whether the change happened is not known: an acquire, touch or release that names the same session or lock can be sent again',
    { outcome: 'unknown' },
  ],
}
