import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadData, perturbationSetFrom, useBackend } from '@saddle/core'
import { loadNetwork } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'

/**
 * `node benchmarks/export-outputs.mjs RUN_FOLDER OUT_FOLDER`: exports a run's network with `saddle export` and writes
 * its outputs at the run's own training points beside it, for `peers/check_export.py` to compare.
 */
const POINTS = 64

const [run, out] = process.argv.slice(2)
if (run === undefined || out === undefined) {
  console.error('usage: node benchmarks/export-outputs.mjs RUN_FOLDER OUT_FOLDER')
  process.exit(2)
}
mkdirSync(out, { recursive: true })
const saddle = fileURLToPath(new URL('../packages/cli/bin/saddle.js', import.meta.url))
const file = join(out, 'weights.safetensors')
execFileSync(process.execPath, [saddle, 'export', run, '--out', file], { stdio: 'inherit' })

await useBackend('auto')
const { config, network, parameters } = await loadNetwork(run)
const { train } = await loadData(config.data, { seed: config.seed })
const count = Math.min(POINTS, train.count)
const { dimension } = train
const points = tf.tensor2d(train.inputs.slice(0, count * dimension), [count, dimension])
const x = perturbationSetFrom(config.perturbation).embed(points)
const outputs = network.forward(parameters, x)
writeFileSync(join(out, 'x.f32'), x.dataSync())
writeFileSync(join(out, 'outputs.f32'), outputs.dataSync())
writeFileSync(
  join(out, 'points.json'),
  JSON.stringify({ inputs: x.shape[1], outputs: outputs.shape[1] }),
)
