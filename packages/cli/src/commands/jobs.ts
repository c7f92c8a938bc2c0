import type { Command } from 'commander'
import type { JobState } from '../cluster/job-state.js'
import type { Terminal } from '../terminal.js'

const EXAMPLES = `
Examples:
  saddle jobs
  saddle jobs --json | jq '.[] | select(.active)'
  saddle jobs --forget 1234

Lists the jobs that this user submitted with \`saddle submit\`, the newest last: what
the scheduler says of each, and how far its run folders are. Slurm forgets a job
some minutes after its end; from then on the run folder alone is told: done,
stopped (resume it), or ended (killed or failed; its output is in DIR.job).`

interface JobsFlags {
  readonly json?: boolean
  readonly forget?: string
}

export function addJobs(program: Command, terminal: Terminal): void {
  program
    .command('jobs')
    .summary('list the jobs that were submitted')
    .description('Lists the jobs that were submitted, with state, step and time.')
    .option('--json', 'print one JSON array instead of a table')
    .option('--forget <JOB>', 'leave this job out from now on; its runs stay')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json = false, forget }: JobsFlags) => {
      const { forgetJob, recordedJobs, requireJob } = await import('../cluster/records.js')
      const { jobState } = await import('../cluster/job-state.js')
      const { slurmStates } = await import('../cluster/slurm.js')
      if (forget !== undefined) {
        forgetJob(requireJob(forget))
        return
      }
      const jobs = recordedJobs()
      const slurm = jobs.some(({ scheduler }) => scheduler === 'slurm') ? slurmStates() : null
      const states = await Promise.all(jobs.map(job => jobState(job, slurm)))
      if (json) terminal.out.write(`${JSON.stringify(states.map(asJson))}\n`)
      else if (states.length === 0) terminal.out.write('No jobs. `saddle submit` submits one.\n')
      else {
        const { jobsTable } = await import('../report/jobs-table.js')
        terminal.out.write(`${jobsTable(states)}\n`)
      }
    })
}

function asJson({ job, runs, ...state }: JobState): object {
  const told = runs.map(({ cell, dir, phase, progress }) => ({
    cell,
    run: dir,
    phase,
    stepsDone: Math.floor(progress.done),
    steps: progress.steps,
  }))
  return { ...job, ...state, runs: told }
}
