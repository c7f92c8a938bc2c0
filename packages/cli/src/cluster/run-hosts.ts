import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { latestCheckpoint } from '@saddle/distributed'
import { listCells } from '../sweep.js'
import type { Terminal } from '../terminal.js'
import type { Host } from './hosts.js'
import { type JobPlan, type PlannedRun, writeConfigurations } from './job-plan.js'
import { findMpirun, type MpirunOptions, mpirunCommand } from './mpirun.js'
import { probeHosts, requireAll } from './probe.js'
import { type Launcher, type Patience, supervise } from './supervise.js'
import { requireProgram } from './tools.js'

export interface HostsOptions extends MpirunOptions, Patience {
  readonly hosts: readonly Host[]
}

/**
 * Trains what a plan asks for on hosts, run after run, each supervised.
 *
 * @returns 0 if all is done, else the exit code of the run that is not.
 * @throws SaddleError CONFIG before any work if a host is missing or differs; WORKER as `supervise`.
 */
export async function runOnHosts(
  plan: JobPlan,
  options: HostsOptions,
  terminal: Terminal,
): Promise<number> {
  const program = findMpirun()
  requireProgram(options.ssh[0]!, 'Install an ssh client, or name another by --ssh.')
  const open = plan.runs.filter(({ done }) => !done)
  await writeConfigurations(plan)
  if (plan.swept) await listCells(plan.run, plan.runs)
  if (open[0] !== undefined) requireAll(await probeHosts(options.hosts, options.ssh, open[0].file))
  // A lock that this job left in a run folder, on a host that was lost, is taken over.
  process.env.SADDLE_JOB = `hosts-${randomUUID()}`
  const ranks = new Ranks()
  try {
    for (const run of open) {
      const code = await supervise(launcherOf(program, run, options, ranks, terminal), options)
      if (code !== 0) return code
    }
    return 0
  } finally {
    ranks.release()
  }
}

function launcherOf(
  program: string,
  { run, file }: PlannedRun,
  options: HostsOptions,
  ranks: Ranks,
  { err }: Terminal,
): Launcher {
  return {
    probe: () => probeHosts(options.hosts, options.ssh, file),
    launch(hosts) {
      err.write(`starting on ${hosts.map(({ name, slots }) => `${name}:${slots}`).join(', ')}\n`)
      return ranks.start(mpirunCommand(program, hosts, { config: file, run }, options))
    },
    async progress() {
      const places = [run, join(run, 'baseline')]
      return (await Promise.all(places.map(latestCheckpoint))).join(' ')
    },
    pause: seconds => ranks.pause(seconds),
    note: text => err.write(`${text}\n`),
    stopping: () => ranks.stopping,
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const

/** Milliseconds until ranks that were told to save are told again: those that were only starting did not hear it. */
const AGAIN = 5000

/** mpirun as a child. The first signal makes all ranks save; another one ends them. */
class Ranks {
  stopping = false
  #child: ChildProcess | null = null
  #telling: NodeJS.Timeout | undefined
  #wake: () => void = () => {}
  readonly #listener = (): void => {
    if (this.stopping) this.#child?.kill('SIGTERM')
    else {
      this.stopping = true
      // mpirun passes it on. For SIGTERM it would have an exit code of its own.
      this.#child?.kill('SIGUSR1')
      this.#telling = setInterval(() => this.#child?.kill('SIGUSR1'), AGAIN)
    }
    this.#wake()
  }

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener)
  }

  release(): void {
    clearInterval(this.#telling)
    for (const signal of SIGNALS) process.off(signal, this.#listener)
  }

  /** In a process group of its own: a terminal's Ctrl-C reaches the supervisor alone, which passes it on. */
  start([program, ...args]: readonly string[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(program!, args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
      })
      this.#child = child
      child.on('error', reject)
      child.on('close', code => {
        this.#child = null
        resolve(code ?? 1)
      })
    })
  }

  pause(seconds: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, 1000 * seconds)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
