import type { WireRoute } from '../../wire-route.ts'
import { mediaTypeFor } from './media-type.ts'

/** Of the API whose published pages this follows; it is not the version of this service. */
const STATUS = {
  ServiceName: 'Polaris.ApplicationServices',
  Version: '7.8.0.0',
  Major: 7,
  Minor: 8,
  Build: 0,
  Revision: 0,
  Patches: null,
}

export const serviceStatus: WireRoute = {
  method: 'GET',
  path: '/Polaris.ApplicationServices/api',
  statuses: [200],
  handle: async ({ headers }) => ({ status: 200, type: mediaTypeFor(headers.accept), body: STATUS }),
}
