// errors

// activations
export type { Activation } from './activations/activation.js'
// data
export type { DataSpec, DataSplit, Dataset } from './data/dataset.js'
export {
  assertShape,
  type ErrorCode,
  fromWire,
  SaddleError,
  toWire,
  type WireError,
} from './errors.js'
// losses
export type { Loss } from './losses/loss.js'
// networks
export type {
  BallGroup,
  Cotangent,
  GradientFactor,
  Network,
  NetworkSpec,
  Parameters,
  Perceptron,
  TrainedMatrix,
} from './networks/network.js'
// perturbation sets
export type { Compatibility, PerturbationSet, SetSpec, StartKind } from './perturbation/set.js'
// random
export { chiSquare, gamma } from './random/gamma.js'
export { philox } from './random/philox.js'
export { shuffle } from './random/shuffle.js'
export { openStream, type Stream, type StreamKey } from './random/stream.js'
// tensors
export {
  type Backend,
  type BackendChoice,
  currentBackend,
  listBackends,
  registerBackend,
  useBackend,
} from './tensors/backends.js'
export {
  allocateMatrix,
  blockRows,
  eachRowBlock,
  type Matrix,
  matrixTimes,
  rowBlocks,
  timesMatrix,
  writeMatrix,
} from './tensors/matrix.js'
// descent
// theory
