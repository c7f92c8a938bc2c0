import type { Evaluation, RunSummary } from '@saddle/distributed'
import type { ExperimentResult } from '../experiment.js'
import { attackName, figure, passesPhrase, percent } from '../format.js'
import { printedTable } from './printed-table.js'

/**
 * The closing table of an experiment: what each network loses and gets right, on clean points and under the
 * evaluation's attack, how far its weights went against R, and how often the projection acted.
 *
 * Columns past the first two are numbers, 78 columns in all; a part that was not evaluated shows as –.
 */
export function resultsTable({ main, baseline }: ExperimentResult): string {
  return printedTable(
    [
      'trained\nwith',
      '\non',
      'clean\nloss',
      'clean\naccuracy',
      'robust\nloss',
      'robust\naccuracy',
      '‖W−W₀‖\nof R',
      'projected\nsteps',
    ],
    ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    [baseline, main].filter(summary => summary !== null).map(rowOf),
  )
}

/** What a training cost, in passes; none for a run from before they were counted. */
function costLine(summary: RunSummary | null): string[] {
  if (summary?.cost === undefined || summary.cost.examples === 0) return []
  const { examples, passes, forwards, firstLayer } = summary.cost
  const count = (number: number) => number.toLocaleString('en-US')
  const rest = [
    ...(forwards === 0 ? [] : [`${count(forwards)} forward ones`]),
    ...(firstLayer === 0 ? [] : [`${count(firstLayer)} through the first layer`]),
  ]
  const more = rest.length === 0 ? '' : `, and ${rest.join(' and ')}`
  return [
    `Training with ${attackName(summary.attack)} took ${passesPhrase(passes / examples)}, ${count(passes)} in all${more}.`,
  ]
}

/** One row a training; its train and test figures are two lines of the same cells. */
function rowOf(summary: RunSummary): string[] {
  const { train, test, worstDistance, radius, projectedShare, attack } = summary
  const lines = [
    ['train', ...figures(train)],
    ...(test === null ? [] : [['test', ...figures(test)]]),
  ]
  const distance = radius === null ? '' : ` of ${radius}`
  return [
    attackName(attack),
    ...lines[0]!.map((_, column) => lines.map(line => line[column]).join('\n')),
    `${figure(worstDistance)}${distance}`,
    radius === null ? 'none' : percent(projectedShare),
  ]
}

function figures(evaluation: Evaluation | null): string[] {
  if (evaluation === null) return ['–', '–', '–', '–']
  const { cleanLoss, cleanAccuracy, robustLoss, robustAccuracy } = evaluation
  return [figure(cleanLoss), percent(cleanAccuracy), figure(robustLoss), percent(robustAccuracy)]
}

/** What the table's figures are, and what they are not. A bound on errors that chance would keep is left out. */
export function resultsNote({ main, baseline }: ExperimentResult): string {
  const summary = main ?? baseline
  if (summary === null || summary.train === null) return 'Stopped before its evaluation.'
  // A summary from before there was a choice has no precision.
  const { train, test, evaluationAttack, errorBound, precision = 'float32' } = summary
  const on = [`${train.examples} training`, ...(test === null ? [] : [`${test.examples} test`])]
  const lines = [
    `Robust: under ${attackName(evaluationAttack)}, on ${on.join(' and ')} examples.`,
    'A stronger attack may find more: robust accuracies are upper bounds.',
  ]
  if (precision !== 'float32')
    lines.push(`Trained with attacks in ${precision}; every figure is of float32.`)
  lines.push(...[main, baseline].flatMap(costLine))
  if (errorBound !== null && errorBound < 0.5)
    lines.push(
      `A training loss of ${figure(train.robustLoss)} allows ${percent(errorBound)} errors at most, under this attack.`,
    )
  return lines.join('\n')
}
