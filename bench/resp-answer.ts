export type RespAnswer = string | number | null

/** What Redis answered. */
export interface RespReply {
  readonly value: RespAnswer
}

/**
 * The reply that these bytes are, or undefined while some of it is missing. Knows the replies that a lock needs:
 * a line, a number, and a text that may be null. Throws on an error and on everything else.
 */
export function readRespReply(bytes: Buffer): RespReply | undefined {
  const endOfLine = bytes.indexOf('\r\n')
  if (endOfLine < 0) return undefined
  const line = bytes.toString('utf8', 1, endOfLine)
  const rest = endOfLine + 2
  switch (bytes.toString('latin1', 0, 1)) {
    case '+':
      return ended(bytes, rest, line)
    case ':':
      return ended(bytes, rest, Number(line))
    case '$': {
      const length = Number(line)
      if (length < 0) return ended(bytes, rest, null)
      if (bytes.length < rest + length + 2) return undefined
      return ended(bytes, rest + length + 2, bytes.toString('utf8', rest, rest + length))
    }
    default:
      throw new Error(`Redis answered ${bytes.toString('utf8', 0, endOfLine)}`)
  }
}

function ended(bytes: Buffer, end: number, value: RespAnswer): RespReply {
  if (bytes.length > end)
    throw new Error(`${bytes.length - end} bytes came after the reply that was asked for`)
  return { value }
}
