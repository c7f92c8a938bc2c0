import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Installs and builds with nothing but Node and npm: the pinned pnpm comes through npx. */
const root = dirname(dirname(fileURLToPath(import.meta.url)))

export function setUp() {
  const { packageManager } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile'], 'Installing')
  run('npx', ['--yes', packageManager, 'run', 'build'], 'Building')
  return root
}

function run(command, args, what) {
  const started = Date.now()
  process.stderr.write(`${what} … `)
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status === 0) {
    process.stderr.write(`done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
    return
  }
  process.stderr.write(`failed\n${stdout ?? ''}${stderr ?? ''}${error ?? ''}\n`)
  process.exit(status ?? 1)
}
