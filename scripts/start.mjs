import { spawn } from 'node:child_process'
import { setUp } from './setup.mjs'

/** `npm start`: installs, builds, and trains the quickstart on MNIST. Arguments go to `saddle train`. */
const root = setUp()
const saddle = spawn(
  process.execPath,
  ['packages/cli/bin/saddle.js', 'train', 'examples/quickstart.yaml', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
)
// Ctrl-C reaches the run as well: it saves a checkpoint, and this process waits for it and passes its exit code on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => saddle.kill('SIGTERM'))
saddle.on('exit', code => process.exit(code ?? 1))
