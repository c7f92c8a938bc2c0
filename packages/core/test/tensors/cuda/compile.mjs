import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Compiles all kernels with NVIDIA's own NVRTC, which needs no GPU, for a device of some compute capability:
 *
 *     FAKE_CUDA_CAPABILITY=90 node packages/core/test/tensors/cuda/compile.mjs FOLDER-OF-LIBNVRTC
 *
 * The driver and cuBLAS are the fake ones, so what was compiled can't be loaded: that it gets so far is the check. Exits
 * with 1 if a program does not compile.
 */
const folder = mkdtempSync(join(tmpdir(), 'compile-cuda-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const driver = join(folder, 'libcuda.so.1')
const source = fileURLToPath(new URL('fake/cuda.cpp', import.meta.url))
spawnSync('g++', ['-std=c++17', '-shared', '-fPIC', '-o', driver, source, '-ldl'])
symlinkSync(driver, join(folder, 'libcublas.so.12'))
process.env.SADDLE_CUDA_LIBRARIES = [folder, process.argv[2] ?? ''].join(delimiter)
process.env.XDG_CACHE_HOME = folder

const { currentBackend, useBackend } = await import('@saddle/core')
const tf = await import('@tensorflow/tfjs-core')
await useBackend('cuda')
console.log(currentBackend().found())
const x = tf.tensor2d([1, 2, 3, 4], [2, 2])
const kernels = '../../../dist/tensors/cuda/kernels'
const { NARROW } = await import('../../../dist/tensors/cuda/narrow.js')
const [{ PASSES }, { ROWS }, { UPDATE }] = await Promise.all(
  ['passes', 'rows', 'update'].map(name => import(`${kernels}/${name}.js`)),
)
const launch = (program, kernel) => () => tf.backend().runtime.launch(program, kernel, 1, [])

/** A call of every program. */
const CALLS = {
  fill: () => tf.fill([2], 3),
  unary: () => tf.relu(x),
  binary: () => tf.add(x, x),
  layout: () => tf.transpose(x),
  reduce: () => tf.sum(x, 0),
  values: () => tf.cast(x, 'int32'),
  softmax: () => tf.softmax(x),
  narrow: launch(NARROW, 'narrow'),
  passes: launch(PASSES, 'mask'),
  rows: launch(ROWS, 'above_apply'),
  update: launch(UPDATE, 'settle'),
}
for (const [name, call] of Object.entries(CALLS)) {
  const start = performance.now()
  let message = 'was loaded by the fake driver: this is not NVRTC'
  try {
    call()
  } catch (error) {
    message = error.message
  }
  const compiled = message.includes('cuModuleLoadData failed with CUDA_ERROR_INVALID_IMAGE')
  if (!compiled) process.exitCode = 1
  const milliseconds = Math.round(performance.now() - start)
  console.log(`${name}: ${compiled ? `compiled in ${milliseconds} ms` : message}`)
}
