import { SaddleError } from '@saddle/core'

/** A machine that ranks may run on. */
export interface Host {
  readonly name: string
  /** Ranks it takes. */
  readonly slots: number
}

/**
 * `a:2,b` as hosts with the ranks they take; 1 where no number stands.
 *
 * @throws SaddleError CONFIG if a name is no host name, a number is none, or a host stands twice.
 */
export function parseHosts(text: string): readonly Host[] {
  const hosts = text.split(',').map(item => {
    const match = /^([A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::([1-9]\d{0,4}))?$/.exec(item.trim())
    if (match === null)
      throw new SaddleError(
        'CONFIG',
        `Hosts "${text}": expected names with the ranks each takes, such as node1:2,node2:2; got "${item}".`,
        { hosts: text },
      )
    return { name: match[1]!, slots: Number(match[2] ?? 1) }
  })
  const twice = hosts.find(({ name }, index) => hosts.findIndex(h => h.name === name) !== index)
  if (twice === undefined) return hosts
  throw new SaddleError(
    'CONFIG',
    `Hosts "${text}": ${twice.name} stands twice. Write its ranks as one number: ${twice.name}:2.`,
    { hosts: text, host: twice.name },
  )
}

/** Ranks that all hosts take together. */
export function ranksOf(hosts: readonly Host[]): number {
  return hosts.reduce((sum, { slots }) => sum + slots, 0)
}
