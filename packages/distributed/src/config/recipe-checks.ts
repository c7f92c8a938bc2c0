import { type Problem, show } from './problems.js'
import type { PhaseAttack, TrainingAttack } from './recipe-schema.js'
import type { Config } from './schema.js'

/** The attacks and recipes of a training, with where they stand in its configuration. */
export function phasesAt(
  attack: TrainingAttack,
): readonly { readonly path: string; readonly spec: PhaseAttack }[] {
  if (attack.kind !== 'schedule') return [{ path: 'attack', spec: attack }]
  return attack.phases.map(({ attack: spec }, i) => ({ path: `attack.phases[${i}].attack`, spec }))
}

/** What recipes need of the rest of a configuration. */
export function checkRecipe(config: Config): Problem[] {
  return [
    ...checkPhases(config),
    ...phasesAt(config.attack).flatMap(({ path, spec }) => [
      ...checkTrades(config, path, spec),
      ...checkJointPasses(config, path, spec),
      ...checkRegret(config, path, spec),
    ]),
  ]
}

function checkPhases({ attack, descent }: Config): Problem[] {
  if (attack.kind !== 'schedule') return []
  const starts = attack.phases.map(({ from }) => from)
  return [
    ...need(
      starts[0] === 0,
      'attack.phases[0].from',
      '0, so that every step has an attack',
      starts[0],
    ),
    ...starts.flatMap((from, i) =>
      need(
        i === 0 || starts[i - 1]! < from,
        `attack.phases[${i}].from`,
        `a step after that of the phase before it, i.e. > ${starts[i - 1]}`,
        from,
      ),
    ),
    ...need(
      starts.at(-1)! < descent.steps,
      `attack.phases[${starts.length - 1}].from`,
      `a step of the training, i.e. < descent.steps = ${descent.steps}`,
      starts.at(-1),
    ),
  ]
}

/** Softmax is what makes a prediction of outputs: the losses that are its cross-entropy. */
function checkTrades({ data, loss }: Config, path: string, { kind }: PhaseAttack): Problem[] {
  const expected = data.labels === 'scalar' ? 'logistic' : 'cross-entropy'
  return need(
    kind !== 'trades' || loss === expected,
    'loss',
    `${expected} for ${path}.kind: trades, which compares the predictions of a cross-entropy`,
    loss,
  )
}

function checkJointPasses(
  { compute: { split } }: Config,
  path: string,
  { kind }: PhaseAttack,
): Problem[] {
  return need(
    (kind !== 'free' && kind !== 'yopo') || split !== 'neurons',
    'compute.split',
    `auto | examples for ${path}.kind: ${kind}, whose passes give gradients in W and in x at once and need all neurons`,
    split,
  )
}

/** (C1)–(C4) are about the loss at one point an example, whose gradient is the step's. */
function checkRegret({ monitor }: Config, path: string, { kind }: PhaseAttack): Problem[] {
  return need(
    (kind !== 'trades' && kind !== 'yopo') || monitor.comparator === null,
    'monitor.comparator',
    `null for ${path}.kind: ${kind}, whose steps do not follow the loss at one point an example`,
    monitor.comparator,
  )
}

export function need(holds: boolean, path: string, expected: string, got: unknown): Problem[] {
  return holds ? [] : [{ path, expected, got: typeof got === 'string' ? got : show(got) }]
}
