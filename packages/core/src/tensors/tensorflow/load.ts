import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { SaddleError } from '../../errors.js'
import type { DeviceInfo } from '../backends.js'
import { findTensorFlow, type TensorFlowPackage } from './find.js'
import { graphicsCards } from './graphics-cards.js'
import { restoreOldUtilities } from './old-utilities.js'

let loaded: TensorFlowPackage | null = null

/**
 * Loads TensorFlow.js's addon for Node, which registers the TensorFlow.js backend `tensorflow`.
 *
 * The addon takes the last GPU that its process sees, once and for all, and can be loaded by one thread only: a
 * process of its own with CUDA_VISIBLE_DEVICES is the one way to choose.
 *
 * @param ordinal which of the visible GPUs must be computed on, so 0 in a process that sees one; left out: a GPU if
 *   there is one.
 * @throws SaddleError BACKEND if the package or its addon is missing, or has no GPU where one is asked for.
 */
export async function loadTensorFlow(ordinal?: number): Promise<void> {
  const found = findTensorFlow()
  if (found === null)
    throw new SaddleError('BACKEND', `${searched()}: no package of TensorFlow.js for Node is there`)
  restoreOldUtilities()
  createRequire(import.meta.url)(join(found.path, 'dist/index.js'))
  if (ordinal !== undefined && !usesGpu())
    throw new SaddleError(
      'BACKEND',
      `TensorFlow found no GPU that it can use with CUDA_VISIBLE_DEVICES=${process.env.CUDA_VISIBLE_DEVICES ?? '(all)'} ` +
        `(${found.name} ${found.version}): is that its number, and do driver, CUDA and cuDNN fit the package`,
      { ordinal },
    )
  loaded = found
}

export function tensorFlowFound(): string | null {
  return loaded === null ? null : `${loaded.name} ${loaded.version} in ${loaded.path}`
}

/** The GPUs of this machine if TensorFlow computes on one; else none, and it computes on the processor. */
export function tensorFlowDevices(): DeviceInfo[] {
  if (!usesGpu()) return []
  const cards = graphicsCards()
  return cards.length > 0 ? cards : [{ ordinal: 0, name: 'GPU', memoryBytes: null }]
}

/** TensorFlow.js's Node backend knows which kind of device it took. */
function usesGpu(): boolean {
  return (
    (tf.findBackend('tensorflow') as { isUsingGpuDevice?: boolean } | null)?.isUsingGpuDevice ===
    true
  )
}

function searched(): string {
  const named = process.env.SADDLE_TENSORFLOW
  return named === undefined ? 'node_modules' : `SADDLE_TENSORFLOW=${named}`
}
