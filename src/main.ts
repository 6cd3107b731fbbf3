import { answerToArguments, TERMINAL } from './commands/command-line.ts'
import { type Config, ConfigError, configOfProcess, strayNames } from './config.ts'
import { createLogger } from './logging.ts'
import { Service } from './service.ts'
import { StartError } from './start-problems.ts'
import { welcomeText } from './welcome.ts'

/**
 * A terminal sends Ctrl-C to npm and to us, and npm passes it on: what follows the first signal that closely is
 * the same one again, not somebody who has lost patience.
 */
const ECHO_MS = 1000

const USAGE = `usage: npm start

Starts the service. It takes no options: settings are variables of the environment or of a file
.env, each with its default in .env.example. PORT=9000 npm start listens on another port.
`

const answered = answerToArguments('start', process.argv.slice(2), USAGE, TERMINAL)
if (answered !== undefined) process.exit(answered)

const config = readConfigOrExit()
const log = createLogger(config.LOG_LEVEL, { isShared: config.WORKERS > 1 })

process.on('uncaughtException', error => {
  log.fatal({ err: error }, 'an error that nobody handled')
  log.flush(() => process.exit(1))
})

const stray = strayNames()
if (stray.length > 0) {
  log.warn({ names: stray }, 'the file .env has names that are no settings; .env.example has those that are')
}

const starting = Service.start(config, log)
stopOnSignals()

try {
  const service = await starting
  const firstKey = await service.firstKey
  const welcome = welcomeText({
    url: service.url,
    database: service.databaseDescription,
    embeddedDataDir: service.embeddedDataDir,
    firstKey,
  })
  // a key that was made has to be shown, whatever came between
  if (!service.isStopping || firstKey !== undefined) process.stdout.write(welcome)
} catch (error) {
  if (!(error instanceof StartError)) throw error
  complain(error.message)
  process.exitCode = 1
}

function readConfigOrExit(): Config {
  try {
    return configOfProcess()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    complain(error.message)
    process.exit(1)
  }
}

/** The first signal stops in order; a later one stops at once. */
function stopOnSignals(): void {
  let stoppingSince: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince >= ECHO_MS) process.exit(1)
      return
    }
    stoppingSince = performance.now()
    log.info({ signal }, 'stopping')
    void starting.then(
      service => service.stop().then(() => log.info('stopped')),
      () => undefined,
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

function complain(message: string): void {
  process.stderr.write(`Leasehold cannot start:\n${message.replace(/^(?!\s)/gm, '  ')}\n`)
}
