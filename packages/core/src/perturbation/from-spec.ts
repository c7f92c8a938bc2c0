import { boxL1 } from './box-l1.js'
import { boxL2 } from './box-l2.js'
import { boxLinf } from './box-linf.js'
import { boxSphere } from './box-sphere.js'
import { l1Ball } from './l1-ball.js'
import { l2Ball } from './l2-ball.js'
import { l2Cap } from './l2-cap.js'
import { liftL2 } from './lift-l2.js'
import { liftLinf } from './lift-linf.js'
import { linfBall } from './linf-ball.js'
import type { PerturbationSet, SetSpec } from './set.js'

const factories: Readonly<Record<SetSpec['kind'], (radius: number) => PerturbationSet>> = {
  l1: l1Ball,
  l2: l2Ball,
  linf: linfBall,
  'box-l1': boxL1,
  'box-l2': boxL2,
  'box-linf': boxLinf,
  cap: l2Cap,
  'box-sphere': boxSphere,
  'lift-l2': liftL2,
  'lift-linf': liftLinf,
}

/**
 * The perturbation set that a configuration names.
 *
 * @throws SaddleError RANGE unless the radius δ is finite and ≥ 0.
 */
export function perturbationSetFrom(spec: SetSpec): PerturbationSet {
  return factories[spec.kind](spec.radius)
}
