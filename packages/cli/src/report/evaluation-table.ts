import type { EvaluationReport } from '@saddle/distributed'
import { duration, figure, percent, plain } from '../format.js'
import { printedTable } from './printed-table.js'

/** Robust accuracy: a row an attack and one for the worst case, a column a radius; then what it cost. */
export function evaluationTable({ attacks, radii, worstCase }: EvaluationReport): string {
  const rows = attacks.map(({ name, radii: figures, seconds }) => {
    const last = figures.at(-1)!
    return [
      name,
      ...figures.map(r => percent(r.robustAccuracy)),
      figure(last.meanLoss),
      last.meanQueries.toFixed(0),
      seconds < 60 ? seconds.toFixed(1) : duration(seconds),
    ]
  })
  if (attacks.length > 1)
    rows.push(['worst case', ...worstCase.map(w => percent(w.robustAccuracy)), '', '', ''])
  const head = [
    'robust accuracy\nat radius',
    ...radii.map(radius => `\n${plain(radius)}`),
    'mean loss\nat the last',
    'queries\nan example',
    'seconds\nof workers',
  ]
  const aligned = head.map((_, column) => (column === 0 ? 'left' : 'right'))
  return withoutInnerRules(printedTable(head, aligned, rows))
}

/** Rules above, below the head and at the end; none between rows. */
function withoutInnerRules(text: string): string {
  const lines = text.split('\n')
  const rules = lines.flatMap((line, i) => (/^─+$/.test(line) ? [i] : []))
  const inner = new Set(rules.slice(2, -1))
  return lines.filter((_, i) => !inner.has(i)).join('\n')
}

/** What the figures are of, and how far they can be trusted. */
export function evaluationNote(report: EvaluationReport): string {
  const { model, data, clean, set, criterion, loss, attacks } = report
  const goal = criterion.kind === 'targeted' ? `targeted:${criterion.target}` : criterion.kind
  const error = Math.sqrt(0.25 / data.examples)
  const norms = attacks.flatMap(({ name, norms }) =>
    norms === null
      ? []
      : [`${name} needed ${figure(norms[2])} (median; ${figure(norms[0])} to ${figure(norms[4])})`],
  )
  return [
    `Model    ${model.source}: ${model.description}`,
    `Data     ${data.source}: ${data.examples}${data.examples === data.of ? '' : ` of ${data.of}`} examples, ${percent(clean.accuracy)} right without an attack`,
    `Attacks  in ${set}, for ${goal}${criterion.kind === 'loss-above' ? `:${criterion.threshold}` : ''}, on the loss ${loss}`,
    ...(norms.length === 0 ? [] : [`Norms    ${norms.join('; ')}`]),
    `A stronger attack may find more: these are upper bounds. ${data.examples} examples give a standard error of up to ${percent(error)}.`,
  ].join('\n')
}
