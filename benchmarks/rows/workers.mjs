import { startSaddle } from '../contestants/child.mjs'
import { temporaryFolder } from '../contestants/folder.mjs'
import { configOf } from '../contestants/problem.mjs'
import { interleaveRounds } from '../contestants/rounds.mjs'

/**
 * Training steps with one worker and with all, in two runs that take turns. The weights are the same to the bit, so
 * are the losses.
 */
export async function workersRow(name, size, options) {
  const counts = [1, options.threads]
  const runs = counts.map(() => ({ saddle: startSaddle(), folder: temporaryFolder() }))
  try {
    const config = configOf(size, { ...options, set: 'l2' })
    const contestants = {}
    for (const [i, { saddle, folder }] of runs.entries()) {
      await saddle.ask({ op: 'train', config, threads: counts[i], folder: folder.path })
      contestants[i] = () => saddle.ask({ op: 'step' })
    }
    const found = await interleaveRounds(contestants, options)
    const [one, all] = counts.map((_, i) => found[i])
    const failed = one.missing ?? all.missing
    if (failed !== undefined) throw new Error(failed)
    const [few, many] = [one, all].map(({ answers }) => answers.map(answer => answer.loss).join())
    if (few !== many) throw new Error(`the losses differ: ${few} with one worker, ${many} with all`)
    const part = ({ seconds, cores, rounds }) => ({ seconds, cores, rounds })
    const speedUp = one.seconds / all.seconds
    return { network: name, workers: counts, one: part(one), all: part(all), speedUp }
  } finally {
    for (const { saddle, folder } of runs) {
      await saddle[Symbol.asyncDispose]()
      folder.remove()
    }
  }
}
