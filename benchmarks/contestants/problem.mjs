/**
 * The problem that all contestants solve: PGD from the clean point with its last iterate kept (Madry et al. 2018),
 * Huber loss, and projected gradient descent onto a ball so small that the projection acts.
 */
export const RADII = { l2: 0.1, linf: 0.01 }
/** R of B(R). */
export const BALL = 0.1
/** η/δ of the attack. */
const STEP = 0.25

/** Name → size. H<depth>-<width>: equation (1); `two-layer`: equation (4). */
export const NETWORKS = {
  'H1-4096': { family: 'deep', depth: 1, width: 4096 },
  'H1-65536': { family: 'deep', depth: 1, width: 65536 },
  'H2-2048': { family: 'deep', depth: 2, width: 2048 },
  'H2-4096': { family: 'deep', depth: 2, width: 4096 },
  'H3-2048': { family: 'deep', depth: 3, width: 2048 },
  'two-layer-65536': { family: 'two-layer', depth: 1, width: 65536 },
}

/** Widths that take a second. At least d, or A could not be told from M. */
export const QUICK_NETWORKS = {
  'H1-1024': { family: 'deep', depth: 1, width: 1024 },
  'H2-1024': { family: 'deep', depth: 2, width: 1024 },
  'two-layer-2048': { family: 'two-layer', depth: 1, width: 2048 },
}

/**
 * The problem as a configuration of `train`: MNIST, 3 against 8, on the sphere of dimension 784; or, given
 * `dimension`, two clusters.
 *
 * @param size { family, depth, width }.
 * @param options { set: 'l2' | 'linf', examples, attackSteps, backend, threads, dimension?, shard?, compute? }: more settings
 *   of `compute`.
 */
export function configOf(size, options) {
  const { set, examples, attackSteps, backend, threads, dimension, compute = {} } = options
  const { shard = Math.min(128, Math.ceil(examples / threads)) } = options
  const data =
    dimension === undefined
      ? { source: { kind: 'mnist' }, classes: [3, 8], testCount: 1 }
      : { source: { kind: 'clusters', dimension, separation: 1, spread: 0.2 } }
  return {
    seed: 1,
    data: { ...data, count: examples },
    network: size,
    perturbation: { ...perturbation(set), allowIncompatible: true },
    loss: 'huber:1',
    attack: {
      kind: 'pgd',
      steps: attackSteps,
      stepSize: STEP,
      restarts: 1,
      start: 'clean',
      objective: 'loss',
      keepBest: false,
    },
    descent: { steps: 1_000_000, stepSize: 'theory', radius: BALL },
    evaluation: { attack: { kind: 'identity' } },
    checkpoints: { every: 1_000_000, keep: 1 },
    compute: { backend, shard, ...compute },
  }
}

/** B(x) as Saddle names it. */
export function perturbation(set) {
  return { kind: set, radius: RADII[set] }
}

/** The attack as a peer takes it, in the units of x. */
export function peerAttack(set) {
  return { kind: set, radius: RADII[set], step_size: STEP * RADII[set] }
}
