import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { SaddleError } from '@saddle/core'
import {
  type Cell,
  type Config,
  type ConfigFile,
  configHash,
  readConfig,
  writeConfig,
} from '@saddle/distributed'
import { summaryOf } from './run-state.js'

/** One run of a job. */
export interface PlannedRun {
  /** The cell's name; empty where there is no sweep. */
  readonly cell: string
  readonly settings: Cell['settings']
  /** Its run folder, absolute. */
  readonly run: string
  /** Its configuration in the job's folder, absolute. */
  readonly file: string
  readonly config: Config
  readonly done: boolean
}

/** What a job has to do. Beside the run folder DIR lies DIR.job with script, configurations and output. */
export interface JobPlan {
  readonly name: string
  readonly run: string
  readonly folder: string
  readonly swept: boolean
  readonly runs: readonly PlannedRun[]
}

/**
 * The runs that a configuration file asks for, with what is there of them already. Writes nothing.
 *
 * @throws SaddleError CONFIG if a folder holds a run of another configuration.
 */
export async function planJob({ name, swept, cells }: ConfigFile, out: string): Promise<JobPlan> {
  const run = resolve(out)
  const folder = `${run}.job`
  const runs = cells.map(({ name: cell, settings, config }) => {
    const dir = cell === '' ? run : join(run, cell)
    const file = join(folder, cell === '' ? 'config.yaml' : join('cells', `${cell}.yaml`))
    return { cell, settings, run: dir, file, config, done: summaryOf(dir)?.status === 'done' }
  })
  for (const one of runs) await refuseOther(one.run, one.config)
  return { name, run, folder, swept, runs }
}

/** Writes the configurations of a plan, as resolved and with absolute paths, so that later edits change nothing. */
export async function writeConfigurations({ runs }: JobPlan): Promise<void> {
  for (const { file, config } of runs) {
    await mkdir(dirname(file), { recursive: true })
    await writeConfig(config, file)
  }
}

/** @throws SaddleError CONFIG if `dir` holds a run of a configuration other than `wanted`. */
export async function refuseOther(dir: string, wanted: Config): Promise<void> {
  const file = ['experiment.yaml', 'config.yaml'].map(name => join(dir, name)).find(existsSync)
  if (file === undefined) return
  const { config } = await readConfig(file)
  if (isRunOf(config, wanted)) return
  throw new SaddleError(
    'CONFIG',
    `${dir} holds a run of another configuration. Name another folder with --out, or go on with that run by \`saddle resume ${dir}\`.`,
    { dir },
  )
}

/**
 * Whether a run of `config` is what `wanted` asks for: all that decides a bit, and what is measured and kept. Where `wanted`
 * leaves a choice, the run has made one.
 */
function isRunOf(config: Config, wanted: Config): boolean {
  const { backend, devices, split, update } = config.compute
  const asked = wanted.compute
  const open = asked.backend === 'auto' && asked.devices === 'auto'
  const compute = {
    ...asked,
    ...(open ? { backend, devices } : {}),
    ...(asked.split === 'auto' ? { split } : {}),
    ...(asked.update === 'auto' ? { update } : {}),
  }
  const rest = ({ compute: _, ...others }: Config) => JSON.parse(JSON.stringify(others))
  return (
    isDeepStrictEqual(rest(config), rest(wanted)) &&
    configHash(config) === configHash({ ...wanted, compute })
  )
}
