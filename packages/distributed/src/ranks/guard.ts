import { hostname } from 'node:os'
import { SaddleError } from '@saddle/core'
import type { Ranks } from './ranks.js'

/** What must be the same on all ranks before any work, by name, as text. */
export type Standing = Readonly<Record<string, string>>

/**
 * Compares where the ranks stand.
 *
 * @throws SaddleError CONFIG on all ranks that says which rank has what, if they differ
 */
export async function requireEqualStanding(ranks: Ranks, standing: Standing): Promise<void> {
  if (ranks.size === 1) return
  const texts = await ranks.gatherTexts(JSON.stringify({ host: hostname(), standing }))
  await ranks.together(() => {
    const all = texts.map(text => JSON.parse(text) as { host: string; standing: Standing })
    const differing = Object.keys(all[0]!.standing).filter(
      name => new Set(all.map(a => a.standing[name])).size > 1,
    )
    if (differing.length === 0) return
    const lines = differing.map(name => {
      const values = all.map(a => a.standing[name]!)
      const groups = [...new Set(values)].map(value => {
        const who = all.flatMap((a, r) => (values[r] === value ? [`rank ${r} (${a.host})`] : []))
        return `${value} on ${who.join(', ')}`
      })
      return `${name}: ${groups.join('; ')}`
    })
    throw new SaddleError(
      'CONFIG',
      `The ranks of this job are not alike, and would not train one network. ${lines.join('. ')}. Give all machines the ` +
        'same installation, configuration and data.',
      { differing },
    )
  })
}
