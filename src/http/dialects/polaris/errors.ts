import type { ErrorPresenter } from '../../problem.ts'

export const presentPolarisError: ErrorPresenter = ({ status, detail }) => ({
  status,
  body: { message: detail },
})
