import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import type { Config } from '@saddle/distributed'

/** A cell of a sweep in its folder: `DIR/width=64,seed=1` is a run folder like any other. */
export interface SweepCell {
  readonly cell: string
  readonly config: Config
}

/** What sweep.json lists: the cells that were asked for in DIR so far, so that DIR can be resumed and watched. */
export function cellsOfSweep(dir: string): readonly SweepCell[] | null {
  const file = join(dir, 'sweep.json')
  if (!existsSync(file)) return null
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as SweepCell[]
  } catch (error) {
    throw new SaddleError(
      'CONFIG',
      `${file} is damaged: ${(error as Error).message}. Give the sweep's configuration to \`saddle train\` once more, with --out ${dir}.`,
      { file },
    )
  }
}

/** Adds cells to DIR/sweep.json, and creates DIR if need be; cells of the same name are replaced. */
export async function listCells(dir: string, cells: readonly SweepCell[]): Promise<void> {
  await mkdir(dir, { recursive: true })
  const before = existsSync(join(dir, 'sweep.json')) ? (cellsOfSweep(dir) ?? []) : []
  const others = before.filter(({ cell }) => cells.every(c => c.cell !== cell))
  const listed = [...others, ...cells].map(({ cell, config }) => ({ cell, config }))
  await writeFile(join(dir, 'sweep.json'), `${JSON.stringify(listed, null, 1)}\n`)
}
