import { z } from 'zod'
import { GADGET, MAX_GADGET_ID_BYTES } from './subject.ts'

/** Lock request. Fields that are not of the model are ignored, as the published models say of every request. */
export const lockRequest = z.object({
  type: z.literal(GADGET),
  subject: z.object({
    courseId: z.string(),
    gadgetId: z
      .string()
      .min(1)
      .refine(
        id => Buffer.byteLength(id) <= MAX_GADGET_ID_BYTES,
        `must have at most ${MAX_GADGET_ID_BYTES} bytes`,
      ),
  }),
})

/** Request session. `expiresIn` has no effect, but is validated: the vendor's page says both. */
export const sessionRequest = z.object({
  userId: z.union([z.string(), z.int()], 'must be a string or an integer').nullish(),
  email: z.string().nullish(),
  expiresIn: z.int('must be a whole number of milliseconds').min(0, 'must not be negative').nullish(),
})
