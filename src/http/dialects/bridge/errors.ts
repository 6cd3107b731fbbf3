import type { ErrorPresenter } from '../../problem.ts'

export const presentBridgeError: ErrorPresenter = ({ status, detail }) => ({
  status,
  body: { message: detail },
})
