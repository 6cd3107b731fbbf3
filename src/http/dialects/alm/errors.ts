import type { ErrorPresenter } from '../../problem.ts'

export const presentAlmError: ErrorPresenter = ({ status, detail }) => ({ status, body: { message: detail } })
