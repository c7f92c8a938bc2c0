export {
  baselineOf,
  type ExperimentOptions,
  type ExperimentResult,
  type Part,
  resumeExperiment,
  runExperiment,
} from './experiment.js'
export { main } from './main.js'
// progress
export { drawBar } from './progress/bar.js'
export { createEvaluationReporter, drawEvaluationBar } from './progress/evaluation.js'
export { lineReporter } from './progress/lines.js'
export { advance, type ProgressState, waiting } from './progress/state.js'
// report
export { curveOf } from './report/curves.js'
export { drawDistance } from './report/distance.js'
export { evaluationNote, evaluationTable } from './report/evaluation-table.js'
export { drawGallery } from './report/gallery.js'
export { drawLoss } from './report/loss.js'
export { drawPictures } from './report/pictures.js'
export { drawProjection } from './report/projection.js'
export { resultsNote, resultsTable } from './report/results-table.js'
export { drawRobustness } from './report/robustness.js'
export type { Sink, Terminal } from './terminal.js'
export type { Trainer, TrainerOptions } from './trainer.js'
