import { join } from 'node:path'
import { evaluate } from '@saddle/distributed'
import { temporaryFolder } from './folder.mjs'
import { mark, since } from './timing.mjs'

/**
 * The command `evaluate`: one attack at one radius through the public `evaluate()`, timed from the end of the clean pass, when
 * workers are up and have the model, to the end; what is written afterwards is included. Answers with the time, and with the
 * share of examples that still stand.
 */
export async function evaluateCommand({ request, workers, backend }) {
  const folder = temporaryFolder()
  try {
    let began = mark()
    let searching = false
    const onEvent = event => {
      if (searching || event.kind !== 'progress' || event.attack === 'clean') return
      searching = true
      began = mark()
    }
    const out = join(folder.path, 'evaluation')
    const report = await evaluate({ ...request, out }, { workers, backend, onEvent })
    return { ...since(began), robust: report.worstCase[0].robustAccuracy }
  } finally {
    folder.remove()
  }
}
