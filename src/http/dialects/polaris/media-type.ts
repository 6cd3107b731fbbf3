/** What bodies may come as, and what answers are. */
export const MEDIA_TYPES: readonly string[] = ['application/json', 'text/json']

/** `text/json` for whoever asks for it and not for `application/json`; whatever else is asked for gets JSON too. */
export function mediaTypeFor(accept: string | undefined): string {
  const asked = (accept ?? '').toLowerCase()
  return asked.includes('text/json') && !asked.includes('application/json') ? 'text/json' : 'application/json'
}
