import { hostname } from 'node:os'
import { SaddleError } from '@saddle/core'
import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'

const EXAMPLES = `
Examples:
  saddle cancel 1234          a job: its runs save a checkpoint before they end
  saddle cancel runs/wide     the job at work on this folder, or a \`saddle train\` here

What was trained stays; \`saddle resume DIR\`, or the same \`saddle submit\` with --out DIR,
goes on to the same bits.`

export function addCancel(program: Command, terminal: Terminal): void {
  program
    .command('cancel')
    .summary('end a job or a run, with a checkpoint')
    .description('Ends a job, or the run at work in a folder, after it saved a checkpoint.')
    .argument('<JOB|DIR>', 'number of a job, or run folder')
    .addHelpText('after', EXAMPLES)
    .action(async (what: string) => {
      const { requireJobOrFolder } = await import('../cluster/records.js')
      const { processLives } = await import('../cluster/job-state.js')
      const { isActive, cancelJob, slurmStates } = await import('../cluster/slurm.js')
      const target = requireJobOrFolder(what)
      if (typeof target === 'object' && target.scheduler === 'slurm') {
        const tasks = [...(slurmStates() ?? [])].filter(
          ([id]) => id === target.id || id.startsWith(`${target.id}_`),
        )
        if (tasks.some(([, task]) => isActive(task))) {
          cancelJob(target.id)
          terminal.out.write(`Job ${target.id} is told to end; its run folder is ${target.run}.\n`)
          return
        }
      }
      if (typeof target === 'object' && target.scheduler === 'mpirun' && processLives(target)) {
        process.kill(Number(target.id), 'SIGTERM')
        terminal.out.write(
          `Job ${target.id} is told to save and end; its run folder is ${target.run}.\n`,
        )
        return
      }
      const dir = typeof target === 'string' ? target : target.run
      await stopProcess(dir, what, terminal)
    })
}

/** The process whose lock lies in the folder saves and ends on SIGTERM, as on Ctrl-C. */
async function stopProcess(dir: string, what: string, { out }: Terminal): Promise<void> {
  const { Watch } = await import('../cluster/watched.js')
  const runs = await new Watch(dir).look()
  const holders = runs.flatMap(({ holder }) => (holder === null ? [] : [holder]))
  if (holders.length === 0)
    throw new SaddleError('CONFIG', `Nothing is at work on ${what}: there is nothing to end.`, {
      what,
    })
  const away = holders.find(({ host }) => host !== hostname())
  if (away !== undefined)
    throw new SaddleError(
      'CONFIG',
      `Process ${away.pid} on ${away.host} is at work on ${what}. Run this on ${away.host}, or end its job.`,
      { ...away },
    )
  for (const { pid } of holders) process.kill(pid, 'SIGTERM')
  out.write(`Process ${holders.map(({ pid }) => pid).join(', ')} is told to save and end.\n`)
}
