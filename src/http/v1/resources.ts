import { z } from 'zod'
import { Refusal } from '../../locks/errors.ts'
import { type Route, route } from '../route.ts'
import { EXAMPLE_LOCK } from './examples.ts'
import { lockJson, presentLock } from './presenters.ts'
import { namespace, resourceId, resourceType } from './schemas.ts'

export const resourceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/namespaces/{namespace}/resources/{type}/{id}/lock',
    operationId: 'getLockOfResource',
    tag: 'Locks',
    access: 'viewer',
    summary: 'Who holds a resource',
    description:
      'What is free now may be held a moment later: to take a resource, acquire it, and do not ask first. Clients take the ids `.` and `..` for steps in a path and never send them: list with `id=` instead.',
    params: z.strictObject({ namespace, type: resourceType, id: resourceId }),
    replies: { 200: { description: 'It is held', schema: lockJson, example: EXAMPLE_LOCK } },
    refusals: ['forbidden', 'lock_not_found'],
    async handle({ services, principal, params }) {
      const lock = await services.locks.find(principal, params)
      if (lock === undefined) throw new Refusal('lock_not_found', 'nobody holds this resource')
      return { status: 200, body: presentLock(lock) }
    },
  }),
]
