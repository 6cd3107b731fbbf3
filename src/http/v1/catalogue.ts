import { z } from 'zod'
import { type CatalogueEntry, MAX_ELEMENTS, RESOURCE_KINDS } from '../../locks/catalogue.ts'
import type { PlacedEntry } from '../../locks/catalogue-service.ts'
import { type Line, type Route, route } from '../route.ts'
import { namespace, resourceId, resourceType } from './schemas.ts'

const name = z.strictObject({ type: resourceType, id: resourceId })

const properties = {
  parent: name
    .nullable()
    .optional()
    .meta({
      description: 'A resource of the same namespace that the catalogue has, or gets in the same request',
      example: { type: 'folder', id: '1' },
    }),
  kind: z.enum(RESOURCE_KINDS).optional().meta({
    description: '`object` (the default): a thing. `selection`: a choice of things, its elements',
    example: 'object',
  }),
  elements: z.array(name).max(MAX_ELEMENTS).optional().meta({
    description: 'Of a selection. They need not be in the catalogue',
    example: [],
  }),
}

const entryBody = z.strictObject(properties).meta({ id: 'ResourceProperties' })
const entryLine = z.strictObject({ type: resourceType, id: resourceId, ...properties }).meta({
  id: 'ResourceLine',
  description: 'One line for each resource',
})

const entryJson = z
  .looseObject({
    namespace: z.string().meta({ example: 'DEFAULT/REST' }),
    resource: z.looseObject({
      type: z.string().meta({ example: 'defect' }),
      id: z.string().meta({ example: '2' }),
    }),
    parent: z
      .looseObject({ type: z.string(), id: z.string() })
      .nullable()
      .meta({ example: { type: 'folder', id: '1' } }),
    kind: z.enum(RESOURCE_KINDS).meta({ example: 'object' }),
    elements: z.array(z.looseObject({ type: z.string(), id: z.string() })).meta({ example: [] }),
  })
  .meta({ id: 'Resource', description: 'What the catalogue knows of a resource' })

const EXAMPLE_ENTRY = {
  namespace: 'DEFAULT/REST',
  resource: { type: 'defect', id: '2' },
  parent: { type: 'folder', id: '1' },
  kind: 'object',
  elements: [],
}

const namespaceJson = z
  .looseObject({
    namespace: z.string().meta({ example: 'DEFAULT/REST' }),
    closed: z.boolean().meta({
      description: 'True: only resources of the catalogue can be locked. False: any can',
      example: false,
    }),
  })
  .meta({ id: 'Namespace' })

const inNamespace = z.strictObject({ namespace })
const oneResource = z.strictObject({ namespace, type: resourceType, id: resourceId })
const RESOURCE_PATH = '/v1/namespaces/{namespace}/resources/{type}/{id}'
const EXAMPLE_NAMESPACE = { namespace: 'DEFAULT/REST', closed: false }

export const catalogueRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/namespaces/{namespace}',
    operationId: 'getNamespace',
    tag: 'Catalogue',
    access: 'viewer',
    summary: 'Look at a namespace',
    description: 'A namespace that nobody has closed is open.',
    params: inNamespace,
    replies: { 200: { description: 'How it is', schema: namespaceJson, example: EXAMPLE_NAMESPACE } },
    refusals: ['forbidden'],
    async handle({ services, principal, params }) {
      const { isClosed } = await services.catalogue.getNamespace(principal, params.namespace)
      return { status: 200, body: { namespace: params.namespace, closed: isClosed } }
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/namespaces/{namespace}',
    operationId: 'setNamespace',
    tag: 'Catalogue',
    access: 'admin',
    summary: 'Open or close a namespace',
    description:
      'In a closed namespace only resources of the catalogue can be locked: others are 404. Locks that are held already stay.',
    params: inNamespace,
    body: z.strictObject({ closed: z.boolean() }).meta({ id: 'NamespaceRequest' }),
    bodyExamples: { open: { summary: 'Anything can be locked', value: { closed: false } } },
    replies: { 200: { description: 'As it is now', schema: namespaceJson, example: EXAMPLE_NAMESPACE } },
    refusals: ['forbidden'],
    async handle({ services, principal, params, body }) {
      await services.catalogue.setNamespace(principal, { name: params.namespace, isClosed: body.closed })
      return { status: 200, body: { namespace: params.namespace, closed: body.closed } }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/namespaces/{namespace}/resources',
    operationId: 'importResources',
    tag: 'Catalogue',
    access: 'admin',
    summary: 'Bring many resources into the catalogue',
    description:
      'Lines of JSON (NDJSON), one a resource, at most 200,000. All are taken or none; those that are there already are replaced. Children may come before their parents.',
    params: inNamespace,
    lines: entryLine,
    replies: {
      200: {
        description: 'All are in the catalogue',
        schema: z.looseObject({ resources: z.int().meta({ description: 'How many' }) }),
        example: { resources: 100_000 },
      },
    },
    refusals: ['forbidden'],
    async handle({ services, principal, params, lines }) {
      const resources = await services.catalogue.import(
        principal,
        params.namespace,
        entriesOf(params.namespace, lines),
      )
      return { status: 200, body: { resources } }
    },
  }),
  route({
    method: 'GET',
    path: RESOURCE_PATH,
    operationId: 'getResource',
    tag: 'Catalogue',
    access: 'viewer',
    summary: 'Look at a resource of the catalogue',
    description: 'Whether it is locked is another question: see its `lock`.',
    params: oneResource,
    replies: { 200: { description: 'What is known of it', schema: entryJson, example: EXAMPLE_ENTRY } },
    refusals: ['forbidden', 'resource_not_found'],
    async handle({ services, principal, params }) {
      return { status: 200, body: presentEntry(await services.catalogue.get(principal, params)) }
    },
  }),
  route({
    method: 'PUT',
    path: RESOURCE_PATH,
    operationId: 'putResource',
    tag: 'Catalogue',
    access: 'admin',
    summary: 'Put a resource into the catalogue',
    description: 'Replaces what the catalogue knew of it. Its locks are not touched.',
    params: oneResource,
    body: entryBody,
    bodyExamples: {
      child: { summary: 'A thing in a folder', value: { parent: { type: 'folder', id: '1' } } },
      root: { summary: 'A thing on its own', value: {} },
    },
    replies: { 200: { description: 'As it is now', schema: entryJson, example: EXAMPLE_ENTRY } },
    refusals: ['forbidden'],
    async handle({ services, principal, params, body }) {
      const entry = entryOf(params, body)
      await services.catalogue.put(principal, entry)
      return { status: 200, body: presentEntry(entry) }
    },
  }),
  route({
    method: 'DELETE',
    path: RESOURCE_PATH,
    operationId: 'removeResource',
    tag: 'Catalogue',
    access: 'admin',
    summary: 'Take a resource out of the catalogue',
    description: 'Refused while it has children. Its locks are not touched.',
    params: oneResource,
    replies: { 204: { description: 'It is out' } },
    refusals: ['forbidden', 'resource_not_found', 'resource_has_children'],
    async handle({ services, principal, params }) {
      await services.catalogue.remove(principal, params)
      return { status: 204 }
    },
  }),
]

async function* entriesOf(namespaceOfPath: string, lines: AsyncIterable<Line>): AsyncGenerator<PlacedEntry> {
  for await (const { line, value } of lines) {
    const { type, id, ...properties } = value as z.infer<typeof entryLine>
    yield {
      entry: entryOf({ namespace: namespaceOfPath, type, id }, properties),
      place: `line ${line}`,
    }
  }
}

function entryOf(
  resource: CatalogueEntry['resource'],
  { parent, kind, elements }: z.infer<typeof entryBody>,
): CatalogueEntry {
  return { resource, parent: parent ?? null, kind: kind ?? 'object', elements: elements ?? [] }
}

function presentEntry({ resource, parent, kind, elements }: CatalogueEntry): z.infer<typeof entryJson> {
  return {
    namespace: resource.namespace,
    resource: { type: resource.type, id: resource.id },
    parent: parent === null ? null : { type: parent.type, id: parent.id },
    kind,
    elements: elements.map(({ type, id }) => ({ type, id })),
  }
}
