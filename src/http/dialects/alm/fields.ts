import { z } from 'zod'
import { parseJson } from '../../json.ts'
import { validated } from '../../validation.ts'
import type { Form } from './negotiation.ts'
import { element, escapeXml, readXml, type XmlElement, xmlDocument } from './xml.ts'

/** An entity as /qcbin/rest writes all of them: a type, and fields with texts. */
export interface FieldsEntity {
  readonly type: string
  readonly fields: ReadonlyMap<string, string>
}

const entityJson = z.looseObject({
  Type: z.string().optional(),
  Fields: z.array(
    z.looseObject({
      Name: z.string(),
      values: z.array(z.looseObject({ value: z.union([z.string(), z.number()]).optional() })).optional(),
    }),
  ),
})
const entitiesJson = z.looseObject({ entities: z.array(entityJson) })

export function fieldsEntity(type: string, fields: Readonly<Record<string, string>>): FieldsEntity {
  return { type, fields: new Map(Object.entries(fields)) }
}

export function writeEntity(entity: FieldsEntity, form: Form): unknown {
  return form === 'json' ? entityAsJson(entity) : xmlDocument(entityAsXml(entity))
}

export function writeEntities(entities: readonly FieldsEntity[], total: number, form: Form): unknown {
  if (form === 'json') return { entities: entities.map(entityAsJson), TotalResults: total }
  return xmlDocument(element('Entities', entities.map(entityAsXml).join(''), { TotalResults: String(total) }))
}

/** The entities of a body: of one, or of as many as a bulk request brings. */
export function readFieldsEntities(
  bytes: Buffer,
  form: Form,
): { readonly entities: readonly FieldsEntity[]; readonly isBulk: boolean } {
  if (form === 'xml') {
    const root = readXml(bytes)
    return root.name === 'Entities'
      ? { entities: root.children.map(entityOfXml), isBulk: true }
      : { entities: [entityOfXml(root)], isBulk: false }
  }
  const body = parseJson(bytes)
  const isBulk = typeof body === 'object' && body !== null && 'entities' in body
  const entities = isBulk
    ? validated(entitiesJson, body, 'body').entities
    : [validated(entityJson, body, 'body')]
  return { entities: entities.map(entityOfJson), isBulk }
}

function entityAsJson({ type, fields }: FieldsEntity): object {
  return {
    Fields: [...fields].map(([Name, value]) => ({ Name, values: [{ value }] })),
    Type: type,
  }
}

function entityAsXml({ type, fields }: FieldsEntity): string {
  const written = [...fields].map(([Name, value]) =>
    element('Field', element('Value', escapeXml(value)), { Name }),
  )
  return element('Entity', element('Fields', written.join('')), { Type: type })
}

function entityOfJson({ Type, Fields }: z.infer<typeof entityJson>): FieldsEntity {
  return {
    type: Type ?? '',
    fields: new Map(Fields.map(({ Name, values }) => [Name, String(values?.[0]?.value ?? '')])),
  }
}

function entityOfXml({ attributes, children }: XmlElement): FieldsEntity {
  const fields = children.find(({ name }) => name === 'Fields')?.children ?? []
  return {
    type: attributes.Type ?? '',
    fields: new Map(
      fields.map(field => [
        field.attributes.Name ?? '',
        field.children.find(({ name }) => name === 'Value')?.text ?? '',
      ]),
    ),
  }
}
