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
export {
  type NetworkQuestion,
  type PlannedRoom,
  type PlanOptions,
  planNetwork,
  planRun,
  type RunPlan,
} from './memory/run-plan.js'
export type { Evaluation, RunSummary, StepRecord, TrainEvent } from './run/events.js'
export { exportPerceptron } from './run/export.js'
export { createRunFolder, openRunFolder } from './run/folder.js'
export { readMetrics } from './run/metrics.js'
export { type LoadedNetwork, loadNetwork } from './run/network.js'
export { resume, type TrainOptions, train } from './train.js'
export { version } from './version.js'
