import { misclassified } from '@saddle/core'
import type { Criterion } from './criterion.js'

/** The prediction is not the label; ties count as errors, and so does an output that is not a number. */
export const misclassification: Criterion = {
  name: 'misclassification',
  targets: null,
  isAdversarial: (outputs, labels) =>
    misclassified(outputs, labels, outputs.shape[1] === 1 ? 'scalar' : 'classes'),
  atRows: () => misclassification,
}
