import type { ErrorPresenter } from '../../problem.ts'

export const presentBimplusError: ErrorPresenter = ({ status, detail }) => ({
  status,
  body: { message: detail },
})
