import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

interface Test {
  teardown(task: () => Promise<void> | void): void
}

export interface Ended {
  readonly code: number
  readonly out: string
  /** What came on standard error, without the warning that credentials stand in the address. */
  readonly err: string
}

/** A clone of one user's, with a configuration of its own. */
export interface Clone {
  readonly folder: string
  git(args: readonly string[], input?: string): Promise<Ended>
  lfs(...args: string[]): Promise<Ended>
  /** What the pre-push hook does when `main` is pushed for the first time. */
  prePush(): Promise<Ended>
}

/** A program that asks for nothing ends long before. */
const DEADLINE_MS = 60_000

/** Why the real program cannot be tried here; false where it can. */
export async function whyNoGitLfs(): Promise<string | false> {
  const { code } = await run('git', ['lfs', 'version'], { cwd: tmpdir(), env: process.env })
  return code === 0 ? false : 'git-lfs is not installed, so the real program is not tried'
}

/** Makes a repository with these files, all of them lockable, and no remote that could be reached. */
export async function makeClone(t: Test, lfsUrl: string, files: readonly string[]): Promise<Clone> {
  const root = await mkdtemp(path.join(tmpdir(), 'leasehold-git-lfs-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const home = path.join(root, 'home')
  const folder = path.join(root, 'clone')
  await mkdir(home)
  await mkdir(folder)
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  }
  const git = (args: readonly string[], input?: string) => run('git', args, { cwd: folder, env, input })
  const done = async (...args: string[]) => {
    const { code, err } = await git(args)
    if (code !== 0) throw new Error(`git ${args.join(' ')} ended with ${code}: ${err}`)
  }
  await done('init', '--quiet', '--initial-branch=main')
  await done('config', 'user.name', 'Somebody')
  await done('config', 'user.email', 'somebody@example.com')
  await done('config', 'lfs.url', lfsUrl)
  await done('remote', 'add', 'origin', path.join(root, 'no-such-remote.git'))
  await writeFile(path.join(folder, '.gitattributes'), '* lockable\n')
  for (const file of files) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true })
    await writeFile(path.join(folder, file), file)
  }
  await done('add', '.')
  await done('commit', '--quiet', '--message=Add files')
  return {
    folder,
    git,
    lfs: (...args) => git(['lfs', ...args]),
    async prePush() {
      const { out: head } = await git(['rev-parse', 'HEAD'])
      const line = `refs/heads/main ${head.trim()} refs/heads/main ${'0'.repeat(40)}\n`
      return git(['lfs', 'pre-push', 'origin', path.join(root, 'no-such-remote.git')], line)
    },
  }
}

function run(
  program: string,
  args: readonly string[],
  { input = '', ...options }: { cwd: string; env: NodeJS.ProcessEnv; input?: string | undefined },
): Promise<Ended> {
  return new Promise(resolve => {
    const child = execFile(
      program,
      args,
      { ...options, timeout: DEADLINE_MS, maxBuffer: 64 * 1024 * 1024 },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, out, err: err.replaceAll(/^warning: .*contains credentials\n/gm, '') })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
