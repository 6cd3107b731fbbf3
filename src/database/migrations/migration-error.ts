/** What went wrong, in words for the person who runs the migrations: shown as it is, without a stack. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}
