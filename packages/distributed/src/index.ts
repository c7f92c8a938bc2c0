// configuration
export { type Config, type ConfigInput, configSchema } from './config/schema.js'
// running
export type { RunOptions } from './coordinator/run.js'
// devices and workers
export { type DeviceReport, devices } from './devices/report.js'
export type { Evaluation, RunSummary, StepRecord, TrainEvent } from './run/events.js'
// networks of finished runs
export { type LoadedNetwork, loadNetwork } from './run/network.js'
export { resume, type TrainOptions, train } from './train.js'
export { version } from './version.js'
