import { SaddleError, type SetSpec } from '@saddle/core'
import type { Attack } from '../attack.js'
import { square } from '../black-box/square.js'
import { attackOf } from '../finish.js'
import { apgd } from '../first-order/apgd.js'
import { apgdTargeted } from '../first-order/apgd-targeted.js'
import { identity } from '../first-order/identity.js'
import { fab } from '../minimum-norm/fab.js'
import { expectationOver } from '../models/expectation.js'
import { cascade } from './cascade.js'

export interface AutoAttackSpec {
  readonly kind: 'autoattack'
  readonly version: 'standard' | 'plus' | 'rand'
  readonly fosc?: boolean | undefined
}

/** Passes that `rand` averages. */
const SAMPLES = 20

/** The wrong classes that the targeted attacks try; Auto-PGD, in l1, fewer. */
const TARGETS = 9
const TARGETS_L1 = 5

const SETS: readonly SetSpec['kind'][] = ['l1', 'l2', 'linf', 'box-l1', 'box-l2', 'box-linf']

/**
 * The attacks of a version of AutoAttack at the settings of its reference code, in its order, after x itself:
 *
 *   standard   APGD-CE, APGD-T, FAB-T, Square; in l1 5 restarts of the first and 5 targets of the second
 *   plus       APGD-CE (5 restarts), APGD-DLR (5 restarts), FAB (5 restarts), Square, APGD-T, FAB-T
 *   rand       APGD-CE, APGD-DLR, to be run on expectations over 20 passes
 *
 * @param kind of the perturbation set. @throws SaddleError CONFIG unless it is a ball, with the box [0, 1]^d or without;
 * `plus` and `rand` are for l2 and linf.
 */
export function autoAttackMembers(
  version: AutoAttackSpec['version'],
  kind: SetSpec['kind'],
): Attack[] {
  const inL1 = kind.endsWith('l1')
  if (!SETS.includes(kind) || (inL1 && version !== 'standard'))
    throw new SaddleError(
      'CONFIG',
      `AutoAttack ${version} is defined for ${SETS.filter(set => version === 'standard' || !set.endsWith('l1')).join(', ')}, but the perturbation set is ${kind}. Name the attacks you want.`,
      { version, kind },
    )
  const targeted = () => apgdTargeted({ targets: inL1 ? TARGETS_L1 : TARGETS })
  const fabTargeted = () => fab({ targetClasses: TARGETS, stopInside: true })
  switch (version) {
    case 'standard':
      return [identity(), apgd({ restarts: inL1 ? 5 : 1 }), targeted(), fabTargeted(), square()]
    case 'plus':
      return [
        identity(),
        apgd({ restarts: 5 }),
        apgd({ loss: 'dlr', restarts: 5 }),
        fab({ restarts: 5, stopInside: true }),
        square(),
        targeted(),
        fabTargeted(),
      ]
    case 'rand':
      return [identity(), apgd(), apgd({ loss: 'dlr' })]
  }
}

/**
 * AutoAttack (Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
 * parameter-free attacks"): the cascade of `autoAttackMembers`. Every example is attacked until one of them succeeds;
 * one that is wrong at x is broken from the start. `from` says which it was (0: x itself), −1 for examples that stand.
 *
 * With fewer classes than 10 the targeted attacks have fewer targets, and with fewer than 4 the DLR loss is what `dlr`
 * says remains of it. For a random model take `rand`: its passes count as 20 queries.
 *
 * Cost: up to 100 + 900 gradient passes, 1800 passes of FAB-T and 5000 queries for an example that stands.
 *
 * @throws SaddleError CONFIG when run on another set than `autoAttackMembers` knows.
 */
export function autoAttack(options: Partial<Omit<AutoAttackSpec, 'kind'>> = {}): Attack {
  const spec: AutoAttackSpec = { kind: 'autoattack', version: 'standard', ...options }
  const usual = autoAttackMembers(spec.version, 'linf')
  const passes = usual.reduce((sum, attack) => sum + attack.passes, 0)
  return attackOf({ spec, passes }, (view, model, own) => {
    const attacks = autoAttackMembers(spec.version, view.set.spec.kind)
    const members = attacks.map(attack => ({ attack, key: own.key }))
    if (spec.version !== 'rand') return cascade(members, view, model, own)
    const found = cascade(members, view, expectationOver(model, SAMPLES), own)
    return { ...found, queries: found.queries.map(count => count * SAMPLES) }
  })
}
