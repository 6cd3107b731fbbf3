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

export const EXAMPLE_KEY = {
  id: '7',
  user: 'steves',
  role: 'locker',
  namespace: 'DEFAULT/REST',
  created: '2026-01-06T15:13:11.123Z',
  expires_at: null,
}
