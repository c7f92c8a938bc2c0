import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

const USAGE = `pnpm bench [--rows NAME,…] [--rounds N] [--backend NAME] [--quick]

  --rows      what to measure: torch, workers, peak, memory, width, step-time, attacks, allreduce,
              ranks,
              or networks of the torch rows such as H1-4096,H2-2048. Default: everything
  --rounds    measured rounds of each row at most; default 5. A row whose rounds together
              would take more than a minute gets fewer
  --backend   auto (default), blas, wasm, …
  --models    folder of peers/mnist_models.py, for attacks; default: models
  --quick     small networks: tells whether everything runs, and nothing about speed`

/** What the command line asks for. Ends the process with usage where it can't be understood. */
export function readOptions(groups, networks) {
  const known = [...groups, ...Object.keys(networks)]
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: groups.join(',') },
        rounds: { type: 'string', default: '5' },
        backend: { type: 'string', default: 'auto' },
        models: { type: 'string', default: 'models' },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return end(USAGE, 0)
    const rows = values.rows.split(',')
    const unknown = rows.filter(row => !known.includes(row))
    if (unknown.length > 0) return end(`Unknown rows: ${unknown}; expected some of ${known}.`, 2)
    const rounds = Number(values.rounds)
    if (!(Number.isSafeInteger(rounds) && rounds >= 1))
      return end(`--rounds ${values.rounds}: expected a positive whole number.`, 2)
    const { quick, backend, models } = values
    return {
      rows,
      backend,
      models,
      quick,
      rounds,
      seconds: 60,
      threads: availableParallelism(),
      examples: quick ? 32 : 256,
      attackSteps: quick ? 3 : 10,
    }
  } catch (error) {
    return end(`${error.message}\n\n${USAGE}`, 2)
  }
}

function end(message, code) {
  ;(code === 0 ? console.log : console.error)(message)
  process.exit(code)
}
