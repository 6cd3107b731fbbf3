import { randomUUID } from 'node:crypto'

export interface Welcome {
  readonly url: string
  readonly database: string
  readonly embeddedDataDir: string | undefined
  /** A key made up by this start, which is shown here and never again. */
  readonly firstKey: string | undefined
}

/** What a person at the terminal wants to know, and three lines to try. */
export function welcomeText({ url, database, embeddedDataDir, firstKey }: Welcome): string {
  const session = randomUUID()
  const reachable = url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1')
  const key = '-H "Authorization: Bearer $LEASEHOLD_KEY"'
  const psql = embeddedDataDir === undefined ? [] : [`  look inside   psql "$(cat ${embeddedDataDir}/url)"`]
  const keyLines =
    firstKey === undefined
      ? ['Try it, with your key in LEASEHOLD_KEY:']
      : [
          'This is the admin key. It is shown this once and stored nowhere: keep it.',
          '',
          `  export LEASEHOLD_KEY=${firstKey}`,
          '',
          'Then try it:',
        ]
  return [
    '',
    `Leasehold listens on ${url}`,
    `  database      ${database}`,
    ...psql,
    `  API           ${reachable}/docs`,
    '',
    ...keyLines,
    '',
    '  # take a lock',
    `  curl -sX POST ${reachable}/v1/namespaces/demo/locks ${key} -H 'Content-Type: application/json' -d '{"resources":[{"type":"report","id":"42"}],"session":"${session}","ttl":60}'`,
    '  # who holds it?',
    `  curl -s ${reachable}/v1/namespaces/demo/resources/report/42/lock ${key}`,
    '  # end the session: the lock is free again',
    `  curl -siX DELETE ${reachable}/v1/sessions/${session} ${key}`,
    '',
    '',
  ].join('\n')
}
