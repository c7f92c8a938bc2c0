// errors

// activations
export type { Activation } from './activations/activation.js'
export { activationFrom } from './activations/by-name.js'
// data
export type { DataSpec, DataSplit, Dataset } from './data/dataset.js'
export {
  type LabelledData,
  type LabelledFiles,
  loadLabelled,
  loadPoints,
} from './data/labelled.js'
export { loadData } from './data/load.js'
// descent
export { type BallScales, ballScales, type GroupDistance } from './descent/ball.js'
export {
  compareOutputs,
  type OutputComparison,
  regretTerms,
  sumOutputComparisons,
} from './descent/comparison.js'
export type { DeviceUpdate, UpdatedMatrix } from './descent/device-update.js'
export { combineFactors, combineInto, type FactorArrays } from './descent/factors.js'
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
export { journalLength, propose, restore, settle } from './descent/update.js'
export {
  assertShape,
  type ErrorCode,
  fromWire,
  SaddleError,
  toWire,
  type WireError,
} from './errors.js'
// losses
export { lossFrom } from './losses/by-name.js'
export { misclassified } from './losses/criterion.js'
export type { Loss } from './losses/loss.js'
// networks
export { type DeepReluOptions, deepReluNetwork } from './networks/deep.js'
export { foldFrom } from './networks/fold.js'
export { footprintOf } from './networks/footprint.js'
export { networkFrom } from './networks/from-spec.js'
export { type Mlp, type MlpLayer, type MlpPasses, mlpPasses } from './networks/mlp.js'
export type {
  BallGroup,
  Cotangent,
  FirstAdjoint,
  Follower,
  GradientFactor,
  Network,
  NetworkSpec,
  Parameters,
  Perceptron,
  TrainedMatrix,
} from './networks/network.js'
export { sliceParameters } from './networks/slice.js'
export { type TwoLayerOptions, twoLayerNetwork } from './networks/two-layer.js'
// perturbation sets
export { boxL1 } from './perturbation/box-l1.js'
export { boxL2 } from './perturbation/box-l2.js'
export { boxLinf } from './perturbation/box-linf.js'
export { boxSphere } from './perturbation/box-sphere.js'
export { requireDomain } from './perturbation/domain.js'
export { perturbationSetFrom } from './perturbation/from-spec.js'
export { l1Ball } from './perturbation/l1-ball.js'
export { l2Ball } from './perturbation/l2-ball.js'
export { l2Cap } from './perturbation/l2-cap.js'
export { liftL2 } from './perturbation/lift-l2.js'
export { liftLinf } from './perturbation/lift-linf.js'
export { linfBall } from './perturbation/linf-ball.js'
export { combination, pickRows, rowsAbove } from './perturbation/rows.js'
export {
  type Compatibility,
  type PerturbationSet,
  type SetSpec,
  type StartKind,
  TOLERANCE,
} from './perturbation/set.js'
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
  type DeviceInfo,
  listBackends,
  registerBackend,
  requireBackend,
  useBackend,
} from './tensors/backends.js'
export { examplesThatFit, type HeldBytes } from './tensors/cuda/fit.js'
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
export { type Precision, withPrecision } from './tensors/precision.js'
export { matricesChanged } from './tensors/resident.js'
export { scoped } from './tensors/scope.js'
export { withRoomyStacks } from './tensors/stacks.js'
export { putRows, takeRows } from './tensors/take.js'
// theory
export { type PointPair, pointPair, unitPair } from './theory/angle.js'
export { theorem52Comparator } from './theory/comparator.js'
export { hermiteCoefficients } from './theory/hermite.js'
export { type KernelFunction, kernelFunction, kernelInterpolant } from './theory/interpolant.js'
export { deepKernel, type Kernel, kernelMatrix, twoLayerKernel } from './theory/kernel.js'
export {
  type ConstantStatus,
  type PlannedQuantity,
  type TheoremPlan,
  theorem41Plan,
  theorem51Plan,
} from './theory/plan.js'
export { tangentComparator, tangentKernel } from './theory/tangent.js'
