import { SaddleError, scoped } from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { AttackOptions } from '../attack.js'
import type { Reveal } from '../black-box/reveal.js'
import { stopIfAsked } from '../first-order/run.js'
import type { View } from '../view.js'
import type { Answer, Pass, Search } from './ask.js'
import { joined, rowOf } from './rows.js'

/** What the searches of a batch came to: an entry an example. */
export interface Conversation<T> {
  readonly found: readonly T[]
  /** Forward evaluations, those of gradient steps included. */
  readonly queries: Int32Array
  readonly gradientSteps: Int32Array
}

/**
 * What a search may be told of the model: `gradients` all, `scores` the outputs, `decisions` only whether a point is
 * adversarial.
 */
export type Access = 'gradients' | 'scores' | 'decisions'

/** Rows of a pass, at most: bounds the memory of a model's activations. */
const MOST_ROWS = 4096

/**
 * Holds the searches, search i for example i. In every round those that wait for the same kind of answer are answered
 * by one pass over their rows, in the order of examples, in pieces of MOST_ROWS; then all go on, in that order. What
 * `access` forbids is not computed or not told.
 *
 * @throws SaddleError STOPPED between two rounds, if the signal is given.
 */
export function converse<T>(
  view: View,
  searches: readonly Search<T>[],
  { access, reveal }: { readonly access: Access; readonly reveal?: Reveal },
  { signal, onProgress }: Pick<AttackOptions, 'signal' | 'onProgress'>,
): Conversation<T> {
  const n = searches.length
  const found: T[] = new Array(n)
  const queries = new Int32Array(n)
  const gradientSteps = new Int32Array(n)
  const d = view.centres.shape[1]
  let waiting: Pending[] = []
  let returned = 0
  const start = <R>(example: number, search: Search<R>, end: (value: R) => void) => {
    const resume = (answer: Answer) => {
      const turn = search.next(answer)
      if (turn.done) {
        end(turn.value)
        return
      }
      const ask = turn.value
      if (ask.kind !== 'abreast') {
        waiting.push({ example, ask, rows: ask.points.length / d, resume })
        return
      }
      let open = ask.searches.length
      for (const part of ask.searches)
        start(example, part, () => {
          if (--open === 0) resume(NOTHING_ASKED)
        })
    }
    resume(NOTHING_ASKED)
  }

  searches.forEach((search, example) => {
    start(example, search, value => {
      found[example] = value
      returned++
    })
  })
  while (waiting.length > 0) {
    stopIfAsked(signal)
    const round = waiting
    waiting = []
    const answers = new Map<Pending, Answer>()
    for (const batch of batchesOf(round))
      answer(view, batch, access, reveal).forEach((part, k) => {
        answers.set(batch[k]!, part)
      })
    for (const pending of round) {
      const { example, ask, rows } = pending
      if (ask.kind !== 'advance') queries[example]! += rows
      if (ask.kind === 'gradient') gradientSteps[example]! += rows
      pending.resume(answers.get(pending)!)
    }
    onProgress?.(returned, n)
  }
  return { found, queries, gradientSteps }
}

/** What search waits for, and how it goes on. */
interface Pending {
  readonly example: number
  readonly ask: Pass
  readonly rows: number
  resume(answer: Answer): void
}

const NO_FLOATS = new Float32Array(0)
const NO_FLAGS = new Uint8Array(0)
const NOTHING_ASKED: Answer = { outputs: NO_FLOATS, adversarial: NO_FLAGS, rows: NO_FLOATS }

/** The asks of a round by kind, set steps also by their length, in pieces; an ask above MOST_ROWS is a piece of its own. */
function batchesOf(round: readonly Pending[]): Pending[][] {
  const batches = new Map<string, { pieces: Pending[][]; rows: number }>()
  for (const pending of round) {
    const { ask, rows } = pending
    const kind = ask.kind === 'advance' ? `advance ${ask.step}` : ask.kind
    const batch = batches.get(kind) ?? { pieces: [], rows: 0 }
    batches.set(kind, batch)
    if (batch.pieces.length === 0 || batch.rows + rows > MOST_ROWS) {
      batch.pieces.push([])
      batch.rows = 0
    }
    batch.pieces.at(-1)!.push(pending)
    batch.rows += rows
  }
  return [...batches.values()].flatMap(({ pieces }) => pieces)
}

/** One pass for a batch of one kind, cut into the answers of its asks; all that is handed on is a copy. */
function answer(view: View, batch: readonly Pending[], access: Access, reveal?: Reveal): Answer[] {
  return scoped(() => {
    const d = view.centres.shape[1]
    const points = joined(batch.map(({ ask }) => ask.points))
    const x = tf.tensor2d(points, [points.length / d, d])
    const { ask } = batch[0]!
    if (ask.kind === 'advance')
      return cut(batch, { ...NOTHING_ASKED, rows: advance(view, batch, x, ask.step) })
    const { outputs, rows } =
      ask.kind === 'gradient'
        ? gradientPass(view, batch, x, access)
        : { outputs: view.outputs(x), rows: NO_FLOATS }
    const adversarial = decisions(view, batch, outputs)
    return cut(batch, { outputs: told(outputs, access, reveal), adversarial, rows })
  })
}

/** What the search may see of the outputs. */
function told(outputs: tf.Tensor2D, access: Access, reveal?: Reveal): Float32Array {
  if (access === 'decisions') return NO_FLOATS
  const values = outputs.dataSync<'float32'>()
  if (reveal === undefined) return values
  const [n, c] = outputs.shape
  return joined(Array.from({ length: n }, (_, row) => reveal(rowOf(values, row, c))))
}

function gradientPass(view: View, batch: readonly Pending[], x: tf.Tensor2D, access: Access) {
  if (access !== 'gradients')
    throw new SaddleError('CONFIG', `An attack by ${access} asked for a gradient.`, { access })
  const { outputs, gradient } = view.gradient(x, outputs => cotangentOf(batch, outputs))
  return { outputs, rows: gradient.dataSync<'float32'>() }
}

function cotangentOf(batch: readonly Pending[], outputs: tf.Tensor2D): tf.Tensor2D {
  const [total, c] = outputs.shape
  const values = outputs.dataSync<'float32'>()
  const cotangents = new Float32Array(total * c)
  let at = 0
  for (const { ask, rows } of batch)
    for (let row = 0; row < rows; row++, at++)
      if (ask.kind === 'gradient') cotangents.set(ask.cotangent(rowOf(values, at, c), row), at * c)
  return tf.tensor2d(cotangents, [total, c])
}

/** Is each row adversarial, by the criterion itself. */
function decisions(view: View, batch: readonly Pending[], outputs: tf.Tensor2D): Uint8Array {
  const owners = batch.flatMap(({ example, rows }) => new Array<number>(rows).fill(example))
  const labels = view.labels.dataSync()
  const own = tf.tensor1d(Float32Array.from(owners, example => labels[example]!))
  return view.criterion.atRows(owners).isAdversarial(outputs, own).dataSync() as Uint8Array
}

function advance(view: View, batch: readonly Pending[], x: tf.Tensor2D, step: number) {
  const centres = view.centres.dataSync<'float32'>()
  const d = view.centres.shape[1]
  const own = joined(batch.map(({ example }) => rowOf(centres, example, d)))
  const gradients = joined(
    batch.map(({ ask }) => (ask.kind === 'advance' ? ask.gradient : NO_FLOATS)),
  )
  return view.set
    .advance(tf.tensor2d(own, x.shape), x, tf.tensor2d(gradients, x.shape), step)
    .dataSync<'float32'>()
}

function cut(batch: readonly Pending[], whole: Answer): Answer[] {
  const total = batch.reduce((sum, { rows }) => sum + rows, 0)
  const c = whole.outputs.length / total
  const d = whole.rows.length / total
  let at = 0
  return batch.map(({ rows }) => {
    const first = at
    at += rows
    return {
      outputs: whole.outputs.slice(first * c, at * c),
      adversarial: whole.adversarial.length === 0 ? NO_FLAGS : whole.adversarial.slice(first, at),
      rows: whole.rows.slice(first * d, at * d),
    }
  })
}
