import { type Cast, VICTIM, VICTIMS } from './cast.ts'

/** A request that would take something from the victim, signed with its own key: to be hidden where nobody looks. */
export interface Hidden {
  readonly request: string
}

/** What nobody but its user may change: a lock in every API, sessions, a sign-in, a part of a catalogue. */
export async function placeVictim(cast: Cast): Promise<Hidden> {
  const as = cast.keyOf(VICTIM)
  const signed = { authorization: `Bearer ${as}` }
  const ns = encodeURIComponent(VICTIMS)
  const session = crypto.randomUUID()
  const { json } = await cast.call('POST', `/v1/namespaces/${ns}/locks`, {
    as,
    body: {
      session,
      ttl: null,
      client: 'victim-ws',
      resources: ['1', '2', '3'].map(id => ({ type: 'defect', id })),
    },
  })
  await cast.call('POST', '/v1/sessions', { as, body: { ttl: 86_400 } })
  await cast.call('LOCK', `/terraform/${ns}/state/lock`, { headers: signed, body: { ID: 'of-the-victim' } })
  await cast.call('POST', `/lfs/${ns}/repo/locks`, { headers: signed, body: { path: 'a.bin' } })
  await cast.call('POST', '/api/author/tasks/7/lock', { headers: signed })
  await cast.call('POST', '/locks', {
    headers: { sid: as },
    body: { type: 'gadget', subject: { courseId: 'victim1', gadgetId: 'g1' } },
  })
  const polaris = '/Polaris.ApplicationServices/api/v1/eng/20/polaris/73/15/objectlocks'
  await cast.call('POST', polaris, { headers: signed, body: { ObjectTypeID: 27, ObjectID: 7 } })
  const lock = `/v1/namespaces/${ns}/locks/${json.locks[0].id}`
  return { request: `DELETE ${lock} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${as}\r\n\r\n` }
}
