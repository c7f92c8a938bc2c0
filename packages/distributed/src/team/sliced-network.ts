import type { Attackable } from '@saddle/attacks'
import {
  type Cotangent,
  type Follower,
  type GradientFactor,
  type Matrix,
  matrixTimes,
  type Network,
  type Parameters,
  scoped,
  sliceParameters,
  timesMatrix,
} from '@saddle/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Exchange } from './exchange.js'
import type { Team } from './team.js'

/** One of this member's slices, with its passes. */
interface Slice {
  /** Its index in the team's slices. */
  readonly index: number
  /** Its first row in every trained matrix. */
  readonly firstRow: number
  readonly parameters: Parameters
  readonly follower: Follower
}

/** Followers by slice, for one set of parameters: their buffers serve every attack of a thread. */
export type SliceFollowers = Map<number, Follower>

interface SlicedOptions {
  /** Of the shard that is attacked. Gradients of all of them at once are followed, those of chunks aren't. */
  readonly examples: number
  readonly followers: SliceFollowers
}

/**
 * The whole network, of which this member computes its own slices only:
 *
 *   f(x) = Σ_s f_s(F x),   ∇_x ⟨c, f⟩ = (Σ_s ∇⟨c, f_s⟩) F
 *
 * over all slices s of the team; F is a frozen first map that doesn't widen its input (else it is part of the slices'
 * passes, or there is none). All members call the same methods with the same arguments, and get the same bits.
 */
export class SlicedNetwork implements Attackable {
  readonly outputs: number
  readonly #network: Network
  readonly #exchange: Exchange
  readonly #first: Matrix | null
  readonly #slices: readonly Slice[]
  readonly #examples: number | null

  /** @param options for passes that follow an attack; left out, none does. */
  constructor(
    network: Network,
    parameters: Parameters,
    team: Team,
    exchange: Exchange,
    options?: SlicedOptions,
  ) {
    this.outputs = network.spec.outputs
    this.#network = network
    this.#exchange = exchange
    const { input, ...frozen } = parameters.frozen
    const narrow = input !== undefined && input.rows <= input.cols
    this.#first = narrow ? input : null
    const cut = narrow ? { ...parameters, frozen } : parameters
    const { start, stop } = exchange.own
    this.#slices = team.slices.slice(start, stop).map((rows, i) => {
      const slice = sliceParameters(cut, rows.start, rows.stop)
      const index = start + i
      const follower = options?.followers.get(index) ?? network.follow(slice)
      follower.forget()
      options?.followers.set(index, follower)
      return { index, firstRow: rows.start, parameters: slice, follower }
    })
    this.#examples = options?.examples ?? null
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const [n] = x.shape
    scoped(() => {
      const seen = this.#throughFirst(x)
      for (const { index, parameters } of this.#slices)
        scoped(() => this.#exchange.put(index, floatsOf(this.#network.forward(parameters, seen))))
    })
    return this.#outputsTensor(this.#exchange.sum(n * this.outputs), n)
  }

  inputGradient(
    x: tf.Tensor2D,
    cotangent: Cotangent,
  ): { readonly outputs: tf.Tensor2D; readonly gradient: tf.Tensor2D } {
    const pass = this.outputs === 1 ? this.#scalarGradient : this.#vectorGradient
    return tf.tidy(() => {
      const seen = this.#throughFirst(x)
      const { outputs, gradient } = pass.call(this, seen, cotangent)
      return {
        outputs,
        gradient: this.#first === null ? gradient : matrixTimes(gradient, this.#first),
      }
    })
  }

  /**
   * The gradient in the trained matrices, rows of this member's slices: `deliver` is called once a slice, with its
   * factors, whose tensors it must not keep, and its first row. Returns f: [n, outputs].
   */
  gradientFactors(
    x: tf.Tensor2D,
    cotangent: Cotangent,
    deliver: (factors: readonly GradientFactor[], firstRow: number) => void,
  ): tf.Tensor2D {
    return tf.tidy(() => {
      const seen = this.#throughFirst(x)
      return this.#throughOutputs(seen, cotangent, ({ parameters, follower, firstRow }, held) => {
        const { factors } =
          seen.shape[0] === this.#examples
            ? follower.gradientFactors(seen, held)
            : this.#network.gradientFactors(parameters, seen, held)
        deliver(factors, firstRow)
      })
    })
  }

  /** ∇(c_i f(x_i)) = c_i ∇f(x_i): outputs and gradients are sent together, c_i is a factor of their sum. */
  #scalarGradient(seen: tf.Tensor2D, cotangent: Cotangent) {
    const [n, d] = seen.shape
    for (const { index, follower } of this.#slices)
      scoped(() => {
        const { outputs, gradient } = follower.inputGradient(seen, f => tf.onesLike(f))
        this.#exchange.put(index, floatsOf(outputs))
        this.#exchange.put(index, floatsOf(gradient), n)
      })
    const sums = this.#exchange.sum(n + n * d)
    const outputs = this.#outputsTensor(sums.slice(0, n), n)
    const gradient = tf.tensor2d(sums.slice(n), [n, d])
    return { outputs, gradient: tf.mul(gradient, cotangent(outputs)) as tf.Tensor2D }
  }

  /** Several outputs: all of them must be known before the cotangent is. */
  #vectorGradient(seen: tf.Tensor2D, cotangent: Cotangent) {
    const [n, d] = seen.shape
    const outputs = this.#throughOutputs(seen, cotangent, ({ index, follower }, held) => {
      this.#exchange.put(index, floatsOf(follower.inputGradient(seen, held).gradient))
    })
    return { outputs, gradient: tf.tensor2d(this.#exchange.sum(n * d), [n, d]) }
  }

  /**
   * Runs a pass on each slice around one sum of the outputs: a pass gives its part of f to its cotangent, which opens
   * the pass of the next slice; the last one waits for the whole f, and then all passes go on with c(f), the last one
   * first. So every weight is read once on the way to f. Returns f.
   */
  #throughOutputs(
    seen: tf.Tensor2D,
    cotangent: Cotangent,
    pass: (slice: Slice, held: Cotangent) => void,
  ): tf.Tensor2D {
    const [n] = seen.shape
    let whole: Float32Array = new Float32Array(0)
    let held: Float32Array = new Float32Array(0)
    const open = (i: number): void =>
      scoped(() =>
        pass(this.#slices[i]!, part => {
          this.#exchange.put(this.#slices[i]!.index, floatsOf(part))
          if (i + 1 < this.#slices.length) open(i + 1)
          else {
            whole = this.#exchange.sum(n * this.outputs)
            held = scoped(() =>
              Float32Array.from(floatsOf(cotangent(this.#outputsTensor(whole.slice(), n)))),
            )
          }
          return this.#outputsTensor(held.slice(), n)
        }),
      )
    open(0)
    return this.#outputsTensor(whole, n)
  }

  #throughFirst(x: tf.Tensor2D): tf.Tensor2D {
    if (this.#first === null) return x
    return tf.transpose(timesMatrix(this.#first, tf.transpose(x)))
  }

  #outputsTensor(values: Float32Array, n: number): tf.Tensor2D {
    return tf.tensor2d(values, [n, this.outputs])
  }
}

function floatsOf(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync<'float32'>()
}
