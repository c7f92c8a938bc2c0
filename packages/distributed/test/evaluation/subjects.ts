import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { openStream } from '@saddle/core'
import {
  type EvaluateOptions,
  type EvaluationReport,
  type EvaluationRequest,
  evaluate,
} from '@saddle/distributed'
import { type SafeTensor, writeSafetensors } from '../../dist/checkpoint/safetensors.js'
import { writeNpy } from '../../dist/run/npy.js'

/** A model and examples on disk, as `evaluate` takes them. */
export interface Files {
  readonly model: { readonly file: string; readonly activation: string }
  readonly data: { readonly inputs: string; readonly labels: string }
}

/** Weights by layer: rows of W, then b. */
export type Layers = readonly (readonly [
  rows: readonly (readonly number[])[],
  b: readonly number[],
])[]

export async function saveModel(file: string, layers: Layers): Promise<void> {
  const tensors = layers.flatMap(([rows, b], h): SafeTensor[] => [
    {
      name: `${2 * h}.weight`,
      shape: [rows.length, rows[0]!.length],
      data: Float32Array.from(rows.flat()),
    },
    { name: `${2 * h}.bias`, shape: [b.length], data: Float32Array.from(b) },
  ])
  await using handle = await open(file, 'w')
  await writeSafetensors(handle, tensors)
}

export async function saveFiles(
  dir: string,
  layers: Layers,
  points: readonly (readonly number[])[],
  labels: readonly number[],
): Promise<Files> {
  const files = {
    model: { file: join(dir, 'model.safetensors'), activation: 'relu' },
    data: { inputs: join(dir, 'x.npy'), labels: join(dir, 'y.npy') },
  }
  await saveModel(files.model.file, layers)
  const d = points[0]!.length
  await writeNpy(files.data.inputs, [points.length, d], Float32Array.from(points.flat()))
  await writeNpy(files.data.labels, [labels.length], Float32Array.from(labels))
  return files
}

/** f in float64. */
function outputsOf(layers: Layers, x: readonly number[]): number[] {
  return layers.reduce<number[]>(
    (hidden, [rows, b], h) => {
      const z = rows.map((row, r) => row.reduce((sum, w, j) => sum + w * hidden[j]!, b[r]!))
      return h < layers.length - 1 ? z.map(v => Math.max(0, v)) : z
    },
    [...x],
  )
}

/** The class of the largest output. */
export function predictionOf(layers: Layers, x: readonly number[]): number {
  const f = outputsOf(layers, x)
  return f.indexOf(Math.max(...f))
}

/** A perceptron 6 → 16 → 4 and points of the unit box, labelled by it but for every seventh. */
function randomSubject(count: number): {
  layers: Layers
  points: number[][]
  labels: number[]
} {
  const stream = openStream({ seed: 9, purpose: 'test.subject' })
  const normals = (rows: number, cols: number) =>
    Array.from({ length: rows }, () => {
      const row = new Float32Array(cols)
      stream.fillNormal(row, 1.5 / Math.sqrt(cols))
      return Array.from(row)
    })
  const layers: Layers = [
    [normals(16, 6), normals(1, 16)[0]!],
    [normals(4, 16), normals(1, 4)[0]!],
  ]
  const points = Array.from({ length: count }, () =>
    Array.from({ length: 6 }, () => Math.fround(stream.uniform())),
  )
  const labels = points.map((x, i) => {
    const best = predictionOf(layers, x)
    return i % 7 === 0 ? (best + 1) % 4 : best
  })
  return { layers, points, labels }
}

/** Three blocks of examples, the last one short. */
export const COUNT = 520

/** What the tests evaluate: three attacks at two radii, on a random perceptron that is saved in `folder`. */
export async function standardRequest(folder: string) {
  const subject = randomSubject(COUNT)
  const files = await saveFiles(folder, subject.layers, subject.points, subject.labels)
  const attacks = [
    { kind: 'fgsm' },
    { kind: 'pgd', steps: 4, restarts: 2, start: 'clean-first' },
    { kind: 'uniform', draws: 3 },
  ]
  const request: EvaluationRequest = { ...files, radii: [0.05, 0.2], attacks, seed: 3 }
  return { ...subject, files, attacks, request }
}

/** One worker, in plain JavaScript. */
export const alone = { backend: 'cpu', workers: 1 } as const

/** A report without what may differ between equal evaluations. */
export function lasting(report: EvaluationReport & { dir: string }): object {
  const { dir: _, seconds: __, workers: ___, attacks, ...rest } = report
  return { ...rest, attacks: attacks.map(({ seconds: _, ...attack }) => attack) }
}

/** What an evaluation leaves: its report and the bytes of its arrays. */
export async function leftBy(request: EvaluationRequest, out: string, options: EvaluateOptions) {
  const saveAdversarial = join(out, 'adversarial.npy')
  const report = await evaluate({ ...request, out, saveAdversarial }, options)
  const bytes = (file: string) => readFileSync(join(out, file)).toString('base64')
  return {
    report: lasting(report),
    examples: bytes('examples.safetensors'),
    points: bytes('adversarial.npy'),
  }
}
