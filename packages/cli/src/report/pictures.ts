import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunSummary, readMetrics } from '@saddle/distributed'
import type { ExperimentResult } from '../experiment.js'
import { type Curve, curveOf } from './curves.js'
import { drawDistance } from './distance.js'
import { drawLoss } from './loss.js'
import { drawProjection } from './projection.js'

/**
 * Draws DIR/pictures/{loss,distance,projection}.svg from the metrics of a run and of its baseline, if it has one.
 *
 * @returns the names of the files written; none if no step was taken.
 */
export async function drawPictures({ dir, main, baseline }: ExperimentResult): Promise<string[]> {
  const curves = [
    ...readCurve('baseline', join(dir, 'baseline'), baseline),
    ...readCurve('main', dir, main),
  ]
  if (curves.every(c => c.records.length === 0)) return []
  const folder = join(dir, 'pictures')
  await mkdir(folder, { recursive: true })
  const pictures = {
    'loss.svg': drawLoss(curves),
    'distance.svg': drawDistance(curves),
    'projection.svg': drawProjection(curves),
  }
  for (const [name, svg] of Object.entries(pictures)) await writeFile(join(folder, name), svg)
  return Object.keys(pictures)
}

function readCurve(role: Curve['role'], dir: string, summary: RunSummary | null): Curve[] {
  if (summary === null) return []
  return [curveOf(role, summary, readMetrics(dir))]
}
