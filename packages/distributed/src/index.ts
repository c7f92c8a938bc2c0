export { type CheckpointState, latestCheckpoint, readCheckpoint } from './checkpoint/checkpoint.js'
export { absolutePaths } from './config/files.js'
export { configHash } from './config/hash.js'
export { jsonSchema } from './config/json-schema.js'
export { parseConfig } from './config/parse.js'
export type { Problem } from './config/problems.js'
export { readConfig, writeConfig } from './config/read.js'
export { type Config, type ConfigInput, configSchema } from './config/schema.js'
export type { RunOptions } from './coordinator/run.js'
export { type DeviceReport, devices } from './devices/report.js'
export { checkAttack, parseAttacks, readAttacks } from './evaluation/attack-list.js'
export { type CriterionSpec, parseCriterion } from './evaluation/criterion.js'
export { type EvaluateOptions, evaluate } from './evaluation/evaluate.js'
export { type Gallery, type GalleryItem, gallery } from './evaluation/gallery.js'
export { type ExampleChoice, parseExamples, parseRadii } from './evaluation/numbers.js'
export type { EvaluationEvent } from './evaluation/progress.js'
export type { AttackReport, EvaluationReport, RadiusReport } from './evaluation/report.js'
export type { EvaluationRequest } from './evaluation/resolve.js'
export type { EvaluationWarning } from './evaluation/warnings.js'
export {
  largestWidth,
  type MemoryPlan,
  type MemoryQuestion,
  planMemory,
  usableMemory,
} from './memory/plan.js'
export type { Evaluation, RunSummary, StepRecord, TrainEvent } from './run/events.js'
export { exportPerceptron } from './run/export.js'
export { createRunFolder, openRunFolder } from './run/folder.js'
export { readMetrics } from './run/metrics.js'
export { type LoadedNetwork, loadNetwork } from './run/network.js'
export { resume, type TrainOptions, train } from './train.js'
export { version } from './version.js'
