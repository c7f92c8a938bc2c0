import { relative } from 'node:path'
import type { JobState } from '../cluster/job-state.js'
import { printedTable } from './printed-table.js'

/** The jobs of `saddle jobs`: id, state, step, time, run folder as seen from here. There is one at least. */
export function jobsTable(states: readonly JobState[]): string {
  const rows = states.map(rowOf)
  const columns = rowOf(states[0]!).map((_, column) => rows.map(row => row[column]).join('\n'))
  const table = printedTable(
    ['job', 'state', 'step', 'time', 'run folder'],
    ['right', 'left', 'right', 'right', 'left'],
    // One row of tall cells: a table has a rule between rows.
    [columns],
  )
  return table.replace(/ +$/gm, '')
}

function rowOf({ job, state, active, stepsDone, steps, elapsed, where }: JobState): string[] {
  return [
    job.id,
    active && /^pending/.test(state) && where !== '' ? `${state} ${where}` : state,
    steps === 0 ? '–' : `${stepsDone}/${steps}`,
    elapsed === '' ? '–' : elapsed,
    nearer(job.run),
  ]
}

/** Absolute, or relative to the current folder if that is inside it. */
function nearer(path: string): string {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') || from === '' ? path : from
}
