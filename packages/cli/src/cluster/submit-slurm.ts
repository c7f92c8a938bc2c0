import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { listCells } from '../sweep.js'
import type { Terminal } from '../terminal.js'
import { type JobPlan, writeConfigurations } from './job-plan.js'
import { shellJoin } from './quote.js'
import { recordedJobs, recordJob } from './records.js'
import { checkSlurm, isActive, slurmStates, submitScript } from './slurm.js'
import { type SlurmOptions, slurmScript } from './slurm-script.js'
import { findTemplate } from './template.js'

/** What a submission was asked for beside what it asks of the scheduler. */
export interface Asked {
  /** The words of the command. */
  readonly command: readonly string[]
  readonly template: string | undefined
  readonly dryRun: boolean
}

/**
 * Writes DIR.job/job.sh and submits it; with `dryRun` only prints it.
 *
 * @throws SaddleError CONFIG for all that is wrong with it, before anything is written.
 */
export async function submitToSlurm(
  plan: JobPlan,
  options: SlurmOptions,
  { command, template, dryRun }: Asked,
  { out, err }: Terminal,
): Promise<void> {
  const open = plan.runs.filter(({ done }) => !done)
  if (open.length === 0) {
    out.write(
      `${plan.run}: ${plan.swept ? `all ${plan.runs.length} cells are` : 'the run is'} done; nothing to submit.\n`,
    )
    return
  }
  const script = slurmScript(plan, options, findTemplate('slurm.sh', template), command)
  if (dryRun) {
    out.write(script)
    return
  }
  for (const doubt of checkSlurm(options)) err.write(`${doubt}\n`)
  refuseSecondJob(plan)
  const file = join(plan.folder, 'job.sh')
  await mkdir(plan.folder, { recursive: true })
  await writeConfigurations(plan)
  await writeFile(file, script, { mode: 0o755 })
  const id = submitScript(file)
  recordJob(plan, 'slurm', id, shellJoin(command))
  if (plan.swept) await listCells(plan.run, plan.runs)
  const cells = plan.swept ? `, ${open.length} of ${plan.runs.length} cells` : ''
  out.write(
    `Job         ${id}${cells}\nRun folder  ${plan.run}\nScript      ${file}\nWatch it    saddle watch ${id}\n`,
  )
}

/** Two jobs at one run folder would stop each other. */
function refuseSecondJob({ run }: JobPlan): void {
  const states = slurmStates() ?? new Map()
  for (const record of recordedJobs()) {
    if (record.scheduler !== 'slurm' || record.run !== run) continue
    const active = [...states].find(
      ([id, state]) => (id === record.id || id.startsWith(`${record.id}_`)) && isActive(state),
    )
    if (active === undefined) continue
    throw new SaddleError(
      'CONFIG',
      `Job ${record.id} (${active[1].state}) is at work on ${run} already. Wait for it, or end it by \`saddle cancel ${record.id}\`.`,
      { job: record.id, run },
    )
  }
}
