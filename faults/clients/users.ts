/** Somebody with a key. */
export interface User {
  readonly name: string
  readonly apiKey: string
  readonly isAdmin: boolean
}

const LOCKERS = 6
/** In how many users one administrator comes. */
const ADMINS = 1

/** Makes keys for several users, so that a lock of one is not another's. */
export async function makeUsers(port: number, adminKey: string): Promise<readonly User[]> {
  const make = async (name: string, isAdmin: boolean): Promise<User> => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/keys`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ user: name, role: isAdmin ? 'admin' : 'locker', namespace: '*' }),
    })
    if (answer.status !== 201) throw new Error(`no key for ${name}: ${await answer.text()}`)
    const { key }: { key: string } = JSON.parse(await answer.text())
    return { name, apiKey: key, isAdmin }
  }
  const users: User[] = []
  for (let index = 1; index <= LOCKERS; index += 1) users.push(await make(`user-${index}`, false))
  for (let index = 1; index <= ADMINS; index += 1) users.push(await make(`admin-${index}`, true))
  return users
}
