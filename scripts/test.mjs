import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setUp } from './setup.mjs'

/** `npm test`: installs, type-checks, runs tap, says again what failed, ends with `N passed, N failed, N skipped`. */
const root = setUp()
const tap = spawn(
  process.execPath,
  ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
)
const failures = []
let file = ''
let counts = ''
let inFailure = false
createInterface({ input: tap.stdout }).on('line', line => {
  console.log(line)
  if (line.startsWith('# Subtest: ')) file = line.slice('# Subtest: '.length)
  if (line.startsWith('# { total:')) counts = line
  if (/^\s*not ok /.test(line) && !/# (TODO|SKIP)/i.test(line)) {
    if (failures.at(-1)?.file !== file) failures.push({ file, lines: [] })
    failures.at(-1).lines.push(line)
    inFailure = !line.includes(' # time=') // what a parent adds to its child's failure says nothing
  } else if (/^\s*(ok \d|# Subtest|\d+\.\.\d+)/.test(line)) inFailure = false
  else if (inFailure) failures.at(-1).lines.push(line)
})
tap.on('close', code => {
  const count = name => Number(counts.match(new RegExp(`${name}: (\\d+)`))?.[1] ?? 0)
  const failed = count('fail')
  if (code !== 0 && failed === 0)
    console.log('tap failed without a failed test: a crash, or a time-out')
  for (const { file, lines } of failures)
    console.log(`\nfailed in ${file}:\n${lines.slice(0, 100).join('\n')}`)
  console.log(`${count('pass')} passed, ${failed} failed, ${count('skip') + count('todo')} skipped`)
  process.exit(code ?? 1)
})
