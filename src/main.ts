import { type Config, ConfigError, configOfProcess } from './config.ts'
import { createLogger } from './logging.ts'
import { Service, StartError } from './service.ts'
import { welcomeText } from './welcome.ts'

const config = readConfigOrExit()
const log = createLogger(config.LOG_LEVEL)

process.on('uncaughtException', error => {
  log.fatal({ err: error }, 'an error that nobody handled')
  log.flush(() => process.exit(1))
})

const starting = Service.start(config, log)
stopOn('SIGTERM')
stopOn('SIGINT')

try {
  const service = await starting
  const firstKey = await service.firstKey
  process.stdout.write(
    welcomeText({
      url: service.url,
      database: service.databaseDescription,
      embeddedDataDir: service.embeddedDataDir,
      firstKey,
    }),
  )
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

/** The first signal stops in order; a second one stops at once. */
function stopOn(signal: NodeJS.Signals): void {
  process.once(signal, () => {
    log.info({ signal }, 'stopping')
    process.once(signal, () => process.exit(1))
    void starting.then(
      service => service.stop().then(() => log.info('stopped')),
      () => undefined,
    )
  })
}

function complain(message: string): void {
  process.stderr.write(`Leasehold cannot start:\n${message.replace(/^(?!\s)/gm, '  ')}\n`)
}
