import { spawnSync } from 'node:child_process'
import { setUp } from './setup.mjs'

/** `npm start`: installs, builds, and trains the quickstart on MNIST. Arguments go to `saddle train`. */
const root = setUp()
const { status, signal } = spawnSync(
  process.execPath,
  ['packages/cli/bin/saddle.js', 'train', 'examples/quickstart.yaml', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
)
process.exit(status ?? (signal === null ? 1 : 75))
