export { type Config, type ConfigInput, configSchema } from './config/schema.js'
export type {
  Evaluation,
  GroupDistance,
  RegretTerms,
  RunSummary,
  StepRecord,
  TrainEvent,
} from './run/events.js'
