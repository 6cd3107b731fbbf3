// Loaded into the service that is tested (node --expose-gc --import): memory is compared after collections alone.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
})
