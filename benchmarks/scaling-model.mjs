/**
 * A model of a training step: seconds and bytes of one rank, from counts of flops, bytes and messages and from the rates
 * of a machine. docs/scaling.md says what it leaves out and how far it is from what was measured.
 *
 * A problem is { depth H, width m, inputs d, examples n, attackSteps K, shard }, a machine
 *
 *   flops       of float32 products a second, of one device (a core or a GPU)
 *   devices     of a rank
 *   memory      bytes a second that products read weights at, all devices of the rank together
 *   rowSeconds  an entry of an [n, m] array in a pass: activations, flips, signals; one device
 *   weightSeconds  a weight in the update: displacement, distance, projection, W = W₀ + D; one device
 *   bandwidth   bytes a second that a rank sends and receives
 *   latency     seconds of a message
 *   bytes       of memory
 */

/** Trained matrices: U [m, d] (equation (1) folded, or equation (4)), and H − 1 of [m, m]. */
export function matricesOf({ depth, width, inputs }) {
  const upper = Array.from({ length: depth - 1 }, () => ({ rows: width, cols: width }))
  return [{ rows: width, cols: inputs }, ...upper]
}

export function weightsOf(problem) {
  return sum(matricesOf(problem).map(({ rows, cols }) => rows * cols))
}

/**
 * Products [rows, cols] × [cols, n] of a step, by matrix. An attack of K steps multiplies by a matrix 2K times, there and
 * back; by the topmost it follows its own steps, K + 1 times (decision 009). The weight gradient multiplies by it twice, and
 * once more to form the gradient.
 */
export function productsOf({ depth, attackSteps: K }) {
  return Array.from({ length: depth }, (_, h) => ({
    attack: h === depth - 1 ? K + 1 : 2 * K,
    signals: h === 0 && depth > 1 ? 1 : 2,
    form: 1,
  }))
}

/** Seconds of `count` products of a matrix with n examples, in shards: arithmetic, or reading the weights, whichever is slower. */
export function productSeconds({ rows, cols }, count, n, shard, machine) {
  const arithmetic = (2 * rows * cols * n) / (machine.flops * machine.devices)
  const reading = (4 * rows * cols * Math.ceil(n / shard)) / machine.memory
  return count * Math.max(arithmetic, reading)
}

/** Bytes that a rank sends for the gradient of a matrix: see `travelsOf`, whose formulas these are. */
export function gradientBytes({ rows, cols }, { examples: n, shard }, ranks) {
  const others = (ranks - 1) / ranks
  const factors = 4 * n * (rows + cols)
  const dense = 4 * rows * cols
  const ordered = dense * (Math.ceil(n / shard) / ranks + 1)
  return others * (factors < dense ? factors : ordered)
}

/**
 * Ranks split examples: each holds all weights, attacks n/P examples, and applies the whole update.
 *
 * @returns { attack, gradient, update, communication, seconds, bytes }: seconds of the parts, and bytes held.
 */
export function examplesOverRanks(problem, ranks, machine) {
  const { examples: n, shard, width, depth, attackSteps: K, inputs } = problem
  const own = ownExamples(n, shard, ranks)
  const matrices = matricesOf(problem)
  const products = productsOf(problem)
  const of = (which, count, examples) =>
    sum(matrices.map((m, h) => productSeconds(m, products[h][which], examples, count, machine)))
  // Factors are gathered: every rank forms the gradient of all n. A dense one is formed of its own examples.
  const formed = sum(
    matrices.map(m => {
      const gathered = n * (m.rows + m.cols) < m.rows * m.cols
      return productSeconds(m, 1, gathered ? n : own, gathered ? n : shard, machine)
    }),
  )
  const rows = (machine.rowSeconds * own * width * depth * (K + 2)) / machine.devices
  const sent = sum(matrices.map(m => gradientBytes(m, problem, ranks)))
  const messages = ranks === 1 ? 0 : matrices.length * 2 * (ranks - 1)
  const weights = weightsOf(problem)
  const parts = {
    attack: of('attack', shard, own) + rows,
    gradient: of('signals', shard, own) + formed,
    update: (machine.weightSeconds * weights) / machine.devices,
    communication: sent / machine.bandwidth + messages * machine.latency,
  }
  return {
    ...parts,
    seconds: sum(Object.values(parts)),
    bytes: 12 * weights + 4 * n * (inputs + 1) + 4 * Math.min(n, 1024) * (width * depth + inputs),
  }
}

/**
 * Ranks split neurons (H = 1): each holds m/P of them and attacks all n examples; a pass adds up n (d + 1) numbers.
 */
export function neuronsOverRanks(problem, ranks, machine) {
  const { examples: n, shard, width, inputs: d, attackSteps: K, depth } = problem
  if (depth !== 1) throw new Error('Neurons are split with one hidden layer only')
  const own = { ...problem, width: Math.ceil(width / ranks) }
  const [matrix] = matricesOf(own)
  const [{ attack, signals, form }] = productsOf(own)
  const rows = (machine.rowSeconds * n * own.width * (K + 2)) / machine.devices
  const passes = K + 2
  const sent = (passes * 2 * 4 * n * (d + 1) * (ranks - 1)) / ranks
  const messages = ranks === 1 ? 0 : passes * 2 * Math.ceil(Math.log2(ranks)) * Math.ceil(n / shard)
  const parts = {
    attack: productSeconds(matrix, attack, n, shard, machine) + rows,
    gradient: productSeconds(matrix, signals + form, n, shard, machine),
    update: (machine.weightSeconds * weightsOf(own)) / machine.devices,
    communication: sent / machine.bandwidth + messages * machine.latency,
  }
  return {
    ...parts,
    seconds: sum(Object.values(parts)),
    bytes: 12 * weightsOf(own) + 4 * n * (d + 1) + 4 * shard * own.width,
  }
}

/**
 * Rows of every W⁽ʰ⁾ over ranks (H ≥ 2; not built): m²/P weights a rank, and 2nm numbers a layer in every attack step, to
 * gather activations and to add up signals (mathematics of tensor parallelism).
 */
export function rowsOverRanks(problem, ranks, machine) {
  const { examples: n, shard, width, depth, attackSteps: K, inputs } = problem
  const matrices = matricesOf(problem).map(m => ({ ...m, rows: Math.ceil(m.rows / ranks) }))
  const products = productsOf(problem)
  const of = which =>
    sum(matrices.map((m, h) => productSeconds(m, products[h][which], n, shard, machine)))
  const others = (ranks - 1) / ranks
  const sent = 4 * 2 * n * width * (depth - 1) * (K + 2) * others
  const messages = ranks === 1 ? 0 : 2 * (depth - 1) * (K + 2) * (ranks - 1) * Math.ceil(n / shard)
  const weights = sum(matrices.map(({ rows, cols }) => rows * cols))
  const rows = (machine.rowSeconds * n * width * depth * (K + 2)) / ranks / machine.devices
  const parts = {
    attack: of('attack') + rows,
    gradient: of('signals') + of('form'),
    update: (machine.weightSeconds * weights) / machine.devices,
    communication: sent / machine.bandwidth + messages * machine.latency,
  }
  return {
    ...parts,
    seconds: sum(Object.values(parts)),
    bytes: 12 * weights + 4 * n * (inputs + 1) + 4 * Math.min(n, 1024) * width * depth,
  }
}

/** Shards are dealt whole: the rank with most of them is the one that is waited for. */
export function ownExamples(n, shard, ranks) {
  const shards = Math.ceil(n / shard)
  return Math.min(n, Math.ceil(shards / ranks) * shard)
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0)
}
