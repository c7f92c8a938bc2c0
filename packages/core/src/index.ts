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
export { type BallScales, ballScales, type GroupDistance } from './descent/ball.js'
export {
  compareOutputs,
  type OutputComparison,
  regretTerms,
  sumOutputComparisons,
} from './descent/comparison.js'
export { combineFactors } from './descent/factors.js'
export {
  checkRegret,
  initialRegret,
  type RegretChecks,
  type RegretReport,
  type RegretState,
  type RegretStep,
  type RegretTerms,
  reportRegret,
  updateRegret,
} from './descent/regret.js'
export { type StepSize, stepSizeAt, theoryStepSize } from './descent/schedule.js'
export {
  type Displacements,
  projectedStep,
  restoreWeights,
  type StepMeasures,
} from './descent/step.js'
export {
  type ComparisonSums,
  compareStep,
  type ProposalSums,
  projectedSquared,
  type StepComparison,
  sumProposals,
} from './descent/sums.js'
export { accept, apply, propose, restore } from './descent/update.js'
// theory
