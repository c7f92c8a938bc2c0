// Trains a small network from a program, watches it, stops it half-way and resumes it.
//
//   node examples/train-from-a-program.mjs [FOLDER]

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resume, train } from '@saddle/distributed'

const STEPS = 40
const STOP_AFTER = 20

const dir = process.argv[2] ?? join(await mkdtemp(join(tmpdir(), 'saddle-')), 'run')
const stopping = new AbortController()

function watch(event) {
  if (event.kind === 'start')
    console.log(`from step ${event.fromStep}, ${event.workers} workers on ${event.backend}`)
  if (event.kind !== 'step') return
  const { step, loss, robustAccuracy, distances, projected } = event.record
  if (step % 5 === 0)
    console.log(
      `step ${String(step).padStart(2)}  L_A ${loss.toFixed(4)}  robust ${(100 * robustAccuracy).toFixed(1)} %  ` +
        `distance ${distances[0].distance.toFixed(2)}${projected ? ', projected' : ''}`,
    )
  if (step + 1 === STOP_AFTER) stopping.abort()
}

// Everything that is not said here has a default; the run folder's config.yaml shows them all.
const config = {
  name: 'from-a-program',
  data: {
    source: { kind: 'clusters', dimension: 20, clusters: 8, separation: 0.6, spread: 0.1 },
    count: 128,
  },
  network: { width: 1024 },
  perturbation: { kind: 'cap', radius: 0.1 },
  attack: { kind: 'pgd', steps: 5, stepSize: 0.5 },
  descent: { steps: STEPS, stepSize: 1, radius: 3 },
}

const first = await train(config, { out: dir, workers: 2, signal: stopping.signal, onEvent: watch })
console.log(`${first.status} after ${first.stepsDone} of ${first.steps} steps`)

// Any number of workers gives the same bits, also after a stop.
const summary = await resume(dir, { workers: 1, onEvent: watch })
const { cleanAccuracy, robustAccuracy } = summary.train
console.log(
  `${summary.status}: ${(100 * cleanAccuracy).toFixed(1)} % clean, ${(100 * robustAccuracy).toFixed(1)} % robust, ` +
    `projected in ${(100 * summary.projectedShare).toFixed(0)} % of steps`,
)
console.log(`weights ${summary.weights.slice(0, 16)}…  run folder ${dir}`)
