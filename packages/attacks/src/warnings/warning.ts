/** A reason to doubt that robust accuracy is as high as it looks. */
export interface AttackWarning {
  readonly code:
    | 'not-finite' // outputs or gradients are no numbers
    | 'zero-gradient' // nothing to follow at x
    | 'probabilities' // softmax where logits are expected
    | 'randomised' // two passes at one point differ
    | 'few-classes' // a loss or targets that the number of classes does not allow
    | 'short-travel' // steps that cannot reach the border of the set
    | 'masked-gradients' // an attack without gradients is stronger than one with them
    | 'incompatible' // sets of differently labelled examples meet
    | 'one-attack' // nothing iterated was tried
  /** For people: what was seen, and what to do. */
  readonly message: string
  /** For programs. */
  readonly fields: Readonly<Record<string, number | string>>
}
