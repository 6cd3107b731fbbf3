import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'

/** An element of a document that somebody sent; text and entities are decoded. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** Its own text, that of its children left out. */
  readonly text: string
  readonly children: readonly XmlElement[]
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

/** No XML may hold these, not even escaped. */
const NOT_IN_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // a reader would make a line feed of it
  '\r': '&#13;',
}
const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const EXACT_UTF8 = new TextDecoder('utf-8', { fatal: true })
const TEXT = '#text'
const LITERAL = '#cdata'
const ATTRIBUTES = ':@'

// entities are decoded here and not by the parser: there are five and numbers, and a document brings no others
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: LITERAL,
})
const parsedNode = z.record(z.string(), z.unknown())
const parsedNodes = z.array(parsedNode)

/** Content is XML already: text goes through `escapeXml` first. */
export function element(
  name: string,
  content: string,
  attributes: Readonly<Record<string, string>> = {},
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
  return `<${name}${written.join('')}>${content}</${name}>`
}

export function xmlDocument(root: string): string {
  return DECLARATION + root
}

/**
 * What XML cannot hold becomes U+FFFD: a name with a control character must not spoil the whole answer. An apostrophe
 * stays as it is, which is fine in text and between double quotes: a client looks for the holder's name between two.
 */
export function escapeXml(text: string): string {
  return text.replaceAll(NOT_IN_XML, '\ufffd').replaceAll(/[&<>"\r]/g, character => ESCAPES[character] ?? '')
}

/** The root element. Refuses what is not well-formed UTF-8, and document types: entities of their own are a trap. */
export function readXml(bytes: Buffer): XmlElement {
  let text: string
  try {
    text = EXACT_UTF8.decode(bytes)
  } catch {
    return refuse('it is not UTF-8')
  }
  if (/<!DOCTYPE/i.test(text)) refuse('it has a document type, which is not supported')
  const verdict = XMLValidator.validate(text)
  if (verdict !== true) {
    refuse(`it is not XML: ${verdict.err.msg} at line ${verdict.err.line}, column ${verdict.err.col}`)
  }
  const [root, second] = childrenOf(parsed(text))
  if (root === undefined || second !== undefined) refuse('it is not one XML element')
  return root
}

function parsed(text: string): unknown {
  try {
    return parser.parse(text)
  } catch (error) {
    return refuse(`it is not acceptable XML: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
}

function childrenOf(nodes: unknown): XmlElement[] {
  const elements: XmlElement[] = []
  for (const node of parsedNodes.parse(nodes)) {
    const name = Object.keys(node).find(key => key !== ATTRIBUTES)
    if (name === undefined || name === TEXT || name === LITERAL) continue
    const content = parsedNodes.parse(node[name])
    elements.push({
      name,
      attributes: attributesOf(node[ATTRIBUTES]),
      text: content.map(textOf).join(''),
      children: childrenOf(content),
    })
  }
  return elements
}

function attributesOf(value: unknown): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null)
  for (const [name, text] of Object.entries(parsedNode.parse(value ?? {})))
    attributes[name] = decode(String(text))
  return attributes
}

function textOf(node: Record<string, unknown>): string {
  if (TEXT in node) return decode(String(node[TEXT]))
  if (!(LITERAL in node)) return ''
  return parsedNodes
    .parse(node[LITERAL])
    .map(part => storable(String(part[TEXT] ?? '')))
    .join('')
}

function decode(text: string): string {
  const decoded = text.replaceAll(/&([^;&]*)(;?)/g, (reference, name: string, end: string) => {
    if (end === '') refuse('it has a & that is no entity')
    const predefined = Object.hasOwn(PREDEFINED, name) ? PREDEFINED[name] : undefined
    return (
      predefined ?? characterOf(name) ?? refuse(`it has the entity ${reference}, which XML does not know`)
    )
  })
  return storable(decoded)
}

function characterOf(name: string): string | undefined {
  const [, hexadecimal, decimal] = /^#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}))$/.exec(name) ?? []
  const code =
    hexadecimal === undefined ? Number.parseInt(decimal ?? '', 10) : Number.parseInt(hexadecimal, 16)
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined
}

function storable(text: string): string {
  if (text.search(NOT_IN_XML) !== -1) refuse('it has a character that XML does not allow')
  return text
}

function refuse(message: string): never {
  throw new Refusal('invalid_request', `the body is not acceptable: ${message}`, {
    fields: [{ field: 'body', message }],
  })
}
