export { type CheckpointState, latestCheckpoint, readCheckpoint } from './checkpoint/checkpoint.js'
export type { Collective, CollectiveKind, Numbers } from './collective/collective.js'
export { openCollective } from './collective/open.js'
export { absolutePaths } from './config/files.js'
export { configHash } from './config/hash.js'
export { jsonSchema } from './config/json-schema.js'
export { parseConfig } from './config/parse.js'
export type { Problem } from './config/problems.js'
export { type ConfigFile, readConfig, readConfigFile, writeConfig } from './config/read.js'
export { type Config, type ConfigInput, configSchema } from './config/schema.js'
export type { Cell } from './config/sweep.js'
export type { RunOptions } from './coordinator/run.js'
export { type DeviceReport, devices } from './devices/report.js'
export {
  largestWidth,
  type MemoryPlan,
  type MemoryQuestion,
  planMemory,
  usableMemory,
} from './memory/plan.js'
export { endTogether } from './ranks/end.js'
export { openRanks } from './ranks/open.js'
export { alone, type Ranks } from './ranks/ranks.js'
export type { Evaluation, RunSummary, StepRecord, TrainEvent } from './run/events.js'
export { exportPerceptron } from './run/export.js'
export { createRunFolder, openRunFolder } from './run/folder.js'
export { type Holder, runHolder } from './run/lock.js'
export { readMetrics } from './run/metrics.js'
export { type LoadedNetwork, loadNetwork } from './run/network.js'
export { resume, type TrainOptions, train } from './train.js'
export { version } from './version.js'
