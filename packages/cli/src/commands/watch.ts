import { setTimeout as sleep } from 'node:timers/promises'
import { SaddleError } from '@saddle/core'
import type { Command } from 'commander'
import type { JobRecord } from '../cluster/records.js'
import type { Watched } from '../cluster/watched.js'
import type { Terminal } from '../terminal.js'
import { positiveNumber } from './arguments.js'

const EXAMPLES = `
Examples:
  saddle watch 1234                a job, by the number that \`saddle submit\` printed
  saddle watch runs/sweep          a run folder, of a job or of \`saddle train\`
  saddle watch runs/sweep --once   how it stands now, for scripts

It reads the run folder alone, so it works from any machine that sees the disk. It
ends with 0 when all runs are done, and with 75 when some are not and nothing is
at work on them. Ctrl-C stops watching and nothing else.`

interface WatchFlags {
  readonly once?: boolean
  readonly interval: number
}

export function addWatch(program: Command, terminal: Terminal): void {
  program
    .command('watch')
    .summary('follow a run or a job')
    .description('Shows how a run, the cells of a sweep or a job stand, until they are done.')
    .argument('<DIR|JOB>', 'run folder, or number of a job')
    .option('--once', 'print one line a run (and rank), and end with 0')
    .option('--interval <S>', 'seconds between two looks', positiveNumber, 1)
    .addHelpText('after', EXAMPLES)
    .action(async (what: string, { once = false, interval }: WatchFlags) => {
      const { requireJobOrFolder } = await import('../cluster/records.js')
      const { Watch } = await import('../cluster/watched.js')
      const { lineOf, rankLines, watchView } = await import('../progress/watch-view.js')
      const target = requireJobOrFolder(what)
      const watch = new Watch(target)
      if (once) {
        for (const run of await watch.look())
          terminal.out.write(`${[lineOf(run), ...rankLines(run)].join('\n')}\n`)
        return
      }
      const view = watchView(terminal.out)
      try {
        let runs = await watch.look()
        view.show(runs)
        while (!(await isOver(runs, target))) {
          await sleep(1000 * interval)
          runs = await watch.look()
          view.show(runs)
        }
        refuseUnfinished(runs, what)
      } finally {
        view.close()
      }
    })
}

/** Done, or left by everybody: no process at work, no job that would begin one. */
async function isOver(runs: readonly Watched[], target: JobRecord | string): Promise<boolean> {
  if (runs.every(({ phase }) => phase === 'done')) return true
  if (runs.some(({ phase }) => phase === 'running')) return false
  const { findJob } = await import('../cluster/records.js')
  const { jobState } = await import('../cluster/job-state.js')
  const { slurmStates } = await import('../cluster/slurm.js')
  const job = typeof target === 'string' ? findJob(target) : target
  return job === null || !(await jobState(job, slurmStates())).active
}

function refuseUnfinished(runs: readonly Watched[], what: string): void {
  const open = runs.filter(({ phase }) => phase !== 'done')
  if (open.length === 0) return
  throw new SaddleError(
    'STOPPED',
    `${open.map(({ name, phase }) => `${name} ${phase === 'absent' ? 'has not begun' : phase}`).join(', ')}; nothing is at work on it. ` +
      `\`saddle resume ${what}\` goes on with a folder, \`saddle submit … --out\` with a job.`,
    { what },
  )
}
