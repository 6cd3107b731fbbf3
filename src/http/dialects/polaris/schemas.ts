import { z } from 'zod'
import { MAX_RESOURCES_PER_ACQUIRE } from '../../../locks/resource.ts'
import { invalid } from './errors.ts'
import { MAX_WHOLE_NUMBER } from './whole-number.ts'

const objectNumber = z
  .number()
  .refine(
    number => Number.isInteger(number) && number > 0 && number <= MAX_WHOLE_NUMBER,
    'must be a positive integer',
  )

/**
 * `{"ObjectTypeID": 27, "ObjectID": 29937}`. The vendor's page names the two in lower case as well, and its server
 * reads names in either; other fields mean nothing.
 */
export const lockedObject = z.preprocess(
  namesAsPublished,
  z.looseObject({ ObjectTypeID: objectNumber, ObjectID: objectNumber }),
)

/** `[847, 2395843]`: objects of the type that the path names. */
export const lockedObjects = z.array(objectNumber).min(1).max(MAX_RESOURCES_PER_ACQUIRE)

const PUBLISHED_NAMES = ['ObjectTypeID', 'ObjectID'] as const

function namesAsPublished(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const named: Record<string, unknown> = Object.create(null)
  for (const [name, member] of Object.entries(value)) {
    const published =
      PUBLISHED_NAMES.find(candidate => candidate.toLowerCase() === name.toLowerCase()) ?? name
    if (published in named) invalid(published, 'is given more than once')
    named[published] = member
  }
  return named
}
