import { spawn } from 'node:child_process'
import { setUp } from './setup.mjs'

/** `npm test`: installs, type-checks, runs tap, and ends with `N passed, N failed, N skipped`. */
const root = setUp()
const tap = spawn(
  process.execPath,
  ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
)
let tail = ''
tap.stdout.on('data', chunk => {
  process.stdout.write(chunk)
  tail = (tail + chunk).slice(-4096)
})
tap.on('close', code => {
  const counts = tail.match(/# \{ total:[^}]*\}/g)?.at(-1) ?? ''
  const count = name => Number(counts.match(new RegExp(`${name}: (\\d+)`))?.[1] ?? 0)
  const failed = count('fail')
  if (code !== 0 && failed === 0)
    console.log('tap failed without a failed test: a crash, or a time-out')
  console.log(`${count('pass')} passed, ${failed} failed, ${count('skip') + count('todo')} skipped`)
  process.exit(code ?? 1)
})
