import { fromNamed, type NamedEntry } from '../named.js'
import { crossEntropy } from './cross-entropy.js'
import type { Loss } from './loss.js'
import { hinge, logistic, smoothHinge } from './margin.js'
import { absolute, huber, logCosh, pseudoHuber, square } from './residual.js'

const LOSSES: Readonly<Record<string, NamedEntry<Loss>>> = {
  huber: { parameter: 1, make: huber },
  'pseudo-huber': { parameter: 1, make: pseudoHuber },
  'log-cosh': { make: () => logCosh },
  'smooth-hinge': { make: () => smoothHinge },
  logistic: { make: () => logistic },
  square: { make: () => square },
  hinge: { make: () => hinge },
  absolute: { make: () => absolute },
  'cross-entropy': { make: () => crossEntropy },
}

/**
 * The loss of a configuration: `huber:K` and `pseudo-huber:K` (default 1), `log-cosh`, `smooth-hinge`, `logistic`,
 * `square`, `hinge`, `absolute` for labels ±1; `cross-entropy` for classes.
 *
 * @throws SaddleError CONFIG if the name is unknown; the message lists the names.
 */
export function lossFrom(name: string): Loss {
  return fromNamed('loss', LOSSES, name)
}
