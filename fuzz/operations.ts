import { resolved, type Schema } from './schema-values.ts'

/** A call as the OpenAPI document tells it, with everything that it refers to. */
export interface Operation {
  readonly operationId: string
  readonly method: string
  readonly path: string
  readonly isPublic: boolean
  readonly parameters: readonly Parameter[]
  readonly requestBody:
    | { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
    | undefined
  readonly responses: Readonly<Record<string, DocumentedResponse>>
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly schema: Schema
}

export interface DocumentedResponse {
  readonly content?: Readonly<
    Record<string, { readonly schema?: Schema; readonly examples?: Readonly<Record<string, unknown>> }>
  >
}

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, Omit<Operation, 'method' | 'path' | 'isPublic'>>>>
  >
}

export function operationsOf(document: object): readonly Operation[] {
  const { paths } = resolved(document, document) as Document
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      parameters: operation.parameters ?? [],
      method: method.toUpperCase(),
      path,
      isPublic:
        'security' in operation && Array.isArray(operation.security) && operation.security.length === 0,
    })),
  )
}

/** What matches a path of a template: `{name}` is one segment, `{*name}` one or more. */
export function patternOf(template: string, flags = ''): RegExp {
  const source = template
    .replaceAll(/[.+^$()|[\]\\]/g, '\\$&')
    .replaceAll(/\{\*\w+\}/g, '.+')
    .replaceAll(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${source}$`, flags)
}

/** The path of a target, as a router sees it. */
export function pathIn(target: string): string {
  return target.split('?')[0] ?? ''
}
