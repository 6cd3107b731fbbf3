import { readFile } from 'node:fs/promises'
import type { Reply, Route } from './route.ts'

/** Part of the files' addresses, so that they can be kept for ever. */
const VERSION = '5.35.0'
const FILES = new URL('../../../vendor/swagger-ui/', import.meta.url)
const KEEP_FOR_EVER = 'public, max-age=31536000, immutable'

/** Everything comes from this service. swagger-ui sets styles on its elements and draws its icons from data. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Leasehold API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/${VERSION}/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/${VERSION}/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`

const START = `window.ui = SwaggerUIBundle({
  url: new URL('../openapi.json', document.currentScript.src).href,
  dom_id: '#docs',
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
})
`

export const docsRoutes: readonly Route[] = [
  asset('/docs', 'text/html; charset=utf-8', 'no-cache', async () => PAGE),
  asset('/docs/start.js', 'text/javascript; charset=utf-8', 'no-cache', async () => START),
  asset(
    `/docs/${VERSION}/swagger-ui.css`,
    'text/css; charset=utf-8',
    KEEP_FOR_EVER,
    vendored('swagger-ui.css'),
  ),
  asset(
    `/docs/${VERSION}/swagger-ui-bundle.js`,
    'text/javascript; charset=utf-8',
    KEEP_FOR_EVER,
    vendored('swagger-ui-bundle.js'),
  ),
]

function asset(
  path: string,
  type: string,
  cacheControl: string,
  read: () => Promise<string | Buffer>,
): Route {
  return {
    method: 'GET',
    path,
    operationId: path,
    tag: 'Documentation',
    access: 'public',
    isHidden: true,
    summary: 'A file of the documentation page',
    description: '',
    replies: { 200: { description: 'The file', type } },
    refusals: [],
    async handle(): Promise<Reply> {
      return {
        status: 200,
        type,
        headers: {
          'Cache-Control': cacheControl,
          'Content-Security-Policy': POLICY,
          'Referrer-Policy': 'no-referrer',
        },
        body: await read(),
      }
    },
  }
}

/** Read once, when first asked for: most processes are never asked. A failure is not kept. */
function vendored(name: string): () => Promise<Buffer> {
  let content: Promise<Buffer> | undefined
  return async () => {
    content ??= readFile(new URL(name, FILES))
    try {
      return await content
    } catch (error) {
      content = undefined
      throw error
    }
  }
}
