import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** An installed package of TensorFlow.js for Node. */
export interface TensorFlowPackage {
  readonly name: string
  readonly version: string
  /** Its folder. */
  readonly path: string
  /** True if it was made for GPUs; whether there is one is another question. */
  readonly gpu: boolean
}

const NAMES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']

/**
 * The package that `tensorflow` loads: the folder that SADDLE_TENSORFLOW names and nothing else, or the first of
 * tfjs-node-gpu and tfjs-node that is installed. Null if there is none. Only looks; loads nothing.
 */
export function findTensorFlow(): TensorFlowPackage | null {
  const named = process.env.SADDLE_TENSORFLOW
  const folders = named === undefined ? NAMES.flatMap(installed) : [named]
  const path = folders.find(folder => existsSync(join(folder, 'package.json')))
  if (path === undefined) return null
  const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as {
    name: string
    version: string
  }
  return { name, version, path, gpu: name.endsWith('-gpu') }
}

function installed(name: string): string[] {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  return folders.map(folder => join(folder, name))
}
