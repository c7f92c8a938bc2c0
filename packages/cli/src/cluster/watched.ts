import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SaddleError } from '@saddle/core'
import { cellsOfSweep } from '../sweep.js'
import type { JobRecord } from './records.js'
import { RunFollower, type RunState } from './run-state.js'

/** A run to show, under the name it has among the others. */
export interface Watched extends RunState {
  readonly name: string
}

/** All runs of a job or folder: its cells, and the baseline of each that has one. */
export class Watch {
  readonly #runs: readonly { readonly cell: string; readonly run: string }[]
  readonly #followers = new Map<string, RunFollower>()

  /** @throws SaddleError CONFIG if a folder holds no run. */
  constructor(what: JobRecord | string) {
    this.#runs = typeof what === 'string' ? runsOfFolder(what) : what.runs
  }

  async look(): Promise<readonly Watched[]> {
    const parts = this.#runs.flatMap(({ cell, run }) => [
      ...(existsSync(join(run, 'experiment.yaml'))
        ? [{ name: join(cell, 'baseline'), dir: join(run, 'baseline') }]
        : []),
      { name: cell, dir: run },
    ])
    return Promise.all(
      parts.map(async ({ name, dir }) => {
        const state = await this.#follower(dir).look()
        return { ...state, name: name === '' ? state.label : name }
      }),
    )
  }

  #follower(dir: string): RunFollower {
    const follower = this.#followers.get(dir) ?? new RunFollower(dir)
    this.#followers.set(dir, follower)
    return follower
  }
}

function runsOfFolder(folder: string): { cell: string; run: string }[] {
  const dir = resolve(folder)
  const cells = cellsOfSweep(dir)
  if (cells !== null) return cells.map(({ cell }) => ({ cell, run: join(dir, cell) }))
  if (['config.yaml', 'experiment.yaml'].some(name => existsSync(join(dir, name))))
    return [{ cell: '', run: dir }]
  throw new SaddleError(
    'CONFIG',
    `${folder} is no run folder: it has no config.yaml. Give a folder that \`saddle train\` or \`saddle submit\` named.`,
    { dir },
  )
}
