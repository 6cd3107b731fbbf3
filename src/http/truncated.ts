/** For an answer that does not show all the locks that there are, in an API that has no word of its own for it. */
export const TRUNCATED = { 'Leasehold-Truncated': 'true' } as const
