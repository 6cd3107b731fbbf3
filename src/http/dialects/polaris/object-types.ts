import { RESOURCE_LIMITS } from '../../../locks/resource.ts'
import { canonicalNumber } from './whole-number.ts'

/**
 * Which resource type a number of this API's object types is, where it is not the number itself. One to one: no two
 * numbers have one type, and no type is the number of another, since two objects would have one lock then.
 */
export type ObjectTypes = ReadonlyMap<number, string>

export function resourceTypeOf(types: ObjectTypes, number: number): string {
  return types.get(number) ?? String(number)
}

/** The way back. Undefined: no type of this API, such as a number that stands for another resource type. */
export function objectTypeOf(types: ObjectTypes, resourceType: string): number | undefined {
  for (const [number, type] of types) if (type === resourceType) return number
  const number = canonicalNumber(resourceType)
  return number === undefined || types.has(number) ? undefined : number
}

/** Of pairs that have no problems. */
export function objectTypesOf(pairs: readonly (readonly [number: string, type: string])[]): ObjectTypes {
  return new Map(pairs.map(([number, type]) => [Number(number), type]))
}

/** What keeps pairs of a number and a resource type from being one to one; each names its place, from 1 on. */
export function objectTypeProblems(pairs: readonly (readonly [number: string, type: string])[]): string[] {
  return pairs.flatMap(([number, type], index) => {
    const place = `pair ${index + 1}`
    const earlier = pairs.slice(0, index)
    const sameNumber = earlier.findIndex(pair => pair[0] === number)
    const sameType = earlier.findIndex(pair => pair[1] === type)
    return [
      ...(canonicalNumber(number) === undefined
        ? [`${place} has to begin with a number from 1 to 2147483647, without zeros ahead`]
        : []),
      ...(Buffer.byteLength(type) > RESOURCE_LIMITS.type
        ? [`${place} has a type of more than ${RESOURCE_LIMITS.type} bytes`]
        : []),
      ...(/^\d+$/.test(type) && type !== number
        ? [`${place} has a type that is the number of other objects`]
        : []),
      ...(sameNumber === -1 ? [] : [`${place} has the number of pair ${sameNumber + 1}`]),
      ...(sameType === -1 ? [] : [`${place} has the type of pair ${sameType + 1}`]),
    ]
  })
}
