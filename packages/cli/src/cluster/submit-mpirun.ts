import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { Terminal } from '../terminal.js'
import { type JobPlan, writeConfigurations } from './job-plan.js'
import { processLives } from './job-state.js'
import { findMpirun, mpirunCommand } from './mpirun.js'
import { ownCommand } from './own-command.js'
import { probeHosts, requireAll } from './probe.js'
import { shellJoin } from './quote.js'
import { recordedJobs, recordJob } from './records.js'
import type { HostsOptions } from './run-hosts.js'
import { requireProgram } from './tools.js'

/** Prints the command that would start each run of a plan that is not done. */
export function printCommands(plan: JobPlan, options: HostsOptions, { out }: Terminal): void {
  for (const { run, file, done } of plan.runs) {
    if (done) continue
    const words = mpirunCommand('mpirun.openmpi', options.hosts, { config: file, run }, options)
    out.write(`${shellJoin(words)}\n`)
  }
}

/**
 * Starts `saddle run-hosts` in the background, to outlive this terminal; its output goes to DIR.job/output.txt.
 *
 * @param words what follows `run-hosts` on its command line.
 * @throws SaddleError CONFIG before anything is started, if hosts or programs are missing.
 */
export async function submitToHosts(
  plan: JobPlan,
  options: HostsOptions,
  words: readonly string[],
  command: readonly string[],
  { out }: Terminal,
): Promise<void> {
  findMpirun()
  requireProgram(options.ssh[0]!, 'Install an ssh client, or name another by --ssh.')
  refuseSecond(plan)
  await writeConfigurations(plan)
  requireAll(await probeHosts(options.hosts, options.ssh, plan.runs[0]!.file))
  mkdirSync(plan.folder, { recursive: true })
  const output = join(plan.folder, 'output.txt')
  const fd = openSync(output, 'a')
  const [program, ...args] = [...ownCommand(), 'run-hosts', ...words, '--out', plan.run]
  const child = spawn(program!, args, { detached: true, stdio: ['ignore', fd, fd] })
  closeSync(fd)
  child.unref()
  const id = String(child.pid)
  recordJob(plan, 'mpirun', id, shellJoin(command))
  out.write(
    `Job         ${id}, in the background\nRun folder  ${plan.run}\nOutput      ${output}\nWatch it    saddle watch ${id}\n`,
  )
}

function refuseSecond({ run }: JobPlan): void {
  const other = recordedJobs().find(
    job => job.scheduler === 'mpirun' && job.run === run && processLives(job),
  )
  if (other === undefined) return
  throw new SaddleError(
    'CONFIG',
    `Job ${other.id} is at work on ${run} already. Wait for it, or end it by \`saddle cancel ${other.id}\`.`,
    { job: other.id, run },
  )
}
