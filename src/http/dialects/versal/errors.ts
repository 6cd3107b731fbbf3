import type { ErrorPresenter } from '../../problem.ts'

export const presentVersalError: ErrorPresenter = ({ status, detail }) => ({
  status,
  body: { message: detail },
})
