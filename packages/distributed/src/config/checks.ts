import { activationFrom, lossFrom, SaddleError } from '@saddle/core'
import { parseDevice } from '../devices/device.js'
import type { Problem } from './problems.js'
import { checkRecipe, need, phasesAt } from './recipe-checks.js'
import type { Config } from './schema.js'

/** What a schema cannot say: settings that must fit each other. Data are not looked at. */
export function crossCheck(config: Config): Problem[] {
  return [
    ...checkNetwork(config),
    ...checkLabels(config),
    ...checkLoss(config),
    ...checkSphere(config),
    ...checkAttacks(config),
    ...checkRecipe(config),
    ...checkDescent(config),
    ...checkCompute(config),
    ...checkTestFiles(config),
    ...checkDevices(config),
  ]
}

/** Inits of each family; the first is its default. */
export const INITS = {
  deep: ['paper', 'mirrored', 'subtract'],
  'two-layer': ['symmetric'],
} as const satisfies Record<Config['network']['family'], readonly string[]>

function checkNetwork({ network }: Config): Problem[] {
  const { family, width, depth, activation, init, first } = network
  const inits: readonly string[] = INITS[family]
  const twoLayer = family === 'two-layer'
  const named = problemOfName('network.activation', () => activationFrom(activation))
  return [
    ...need(
      !twoLayer || width % 2 === 0,
      'network.width',
      'an even number for family two-layer, whose neurons come in pairs',
      width,
    ),
    ...need(!twoLayer || depth === 1, 'network.depth', '1 for family two-layer', depth),
    ...need(
      init === undefined || inits.includes(init),
      'network.init',
      `${inits.join(' | ')} for family ${family}`,
      init,
    ),
    ...need(
      !twoLayer || first === undefined,
      'network.first',
      'nothing for family two-layer, which has one trained matrix',
      first,
    ),
    ...named,
    ...need(
      twoLayer || named.length > 0 || activation === 'relu',
      'network.activation',
      'relu for family deep, as in the paper',
      activation,
    ),
  ]
}

function checkLabels({ data }: Config): Problem[] {
  const { classes, labels, source, count } = data
  const doubled = classes?.find((name, i) => classes.findIndex(c => String(c) === String(name)) < i)
  const synthetic = source.kind === 'clusters' || source.kind === 'pairs'
  const whole = classes ?? (source.kind === 'mnist' ? 'null, which takes all ten of mnist' : null)
  return [
    ...need(doubled === undefined, 'data.classes', 'every class once', classes),
    ...need(
      labels !== 'scalar' || whole === null || classes?.length === 2,
      'data.classes',
      'exactly two classes for data.labels: scalar (data.labels: classes takes more)',
      whole,
    ),
    ...need(
      !synthetic || count !== null,
      'data.count',
      `how many examples to make, for data.source.kind: ${source.kind}`,
      count,
    ),
  ]
}

function checkLoss({ data, loss }: Config): Problem[] {
  const wrong = problemOfName('loss', () => lossFrom(loss))
  if (wrong.length > 0) return wrong
  const expected =
    data.labels === 'scalar'
      ? 'a loss of scalar outputs, such as huber:1, for data.labels: scalar'
      : 'cross-entropy for data.labels: classes'
  return need(lossFrom(loss).outputs === data.labels, 'loss', expected, loss)
}

function checkSphere({ data, perturbation }: Config): Problem[] {
  const { kind } = perturbation
  const sphere = data.sphere.kind
  const lifted = kind === 'lift-l2' || kind === 'lift-linf'
  const onSphere = kind === 'cap' || kind === 'box-sphere'
  return [
    ...need(
      !lifted || sphere === 'lift',
      'data.sphere.kind',
      `lift for perturbation.kind: ${kind}`,
      sphere,
    ),
    ...need(
      lifted || sphere !== 'lift',
      'perturbation.kind',
      'lift-l2 | lift-linf for data.sphere.kind: lift',
      kind,
    ),
    ...need(
      !onSphere || sphere === 'normalise' || sphere === 'bias' || sphere === 'lift',
      'data.sphere.kind',
      `normalise | bias for perturbation.kind: ${kind}, a set on the sphere`,
      sphere,
    ),
  ]
}

function checkAttacks({ data, attack, evaluation }: Config): Problem[] {
  const named = [...phasesAt(attack), { path: 'evaluation.attack', spec: evaluation.attack }]
  return named.flatMap(({ path, spec }) =>
    need(
      data.labels === 'scalar' || spec.kind !== 'pgd' || spec.objective === 'loss',
      `${path}.objective`,
      'loss for data.labels: classes (two-sided is for scalar outputs)',
      'two-sided',
    ),
  )
}

function checkDescent({ data, descent }: Config): Problem[] {
  const { batch, stepSize } = descent
  const { count, sphere } = data
  const problems = [
    ...need(
      batch === 'full' || count === null || batch <= count,
      'descent.batch',
      `at most data.count = ${count}, or full`,
      batch,
    ),
    ...need(
      stepSize !== 'theory' || sphere.kind !== 'none',
      'descent.stepSize',
      'a number for data.sphere.kind: none (theory knows inputs of norm 1 only)',
      stepSize,
    ),
  ]
  if (typeof stepSize !== 'object' || stepSize.kind !== 'piecewise') return problems
  const { values, boundaries } = stepSize
  const ascending = boundaries.every((b, i) => i === 0 || boundaries[i - 1]! < b)
  return [
    ...problems,
    ...need(ascending, 'descent.stepSize.boundaries', 'ascending steps', boundaries),
    ...need(
      values.length === boundaries.length + 1,
      'descent.stepSize.values',
      `one value more than boundaries, i.e. ${boundaries.length + 1}`,
      values,
    ),
  ]
}

function checkCompute({ network: { depth }, compute: { split, update } }: Config): Problem[] {
  return [
    ...need(
      split !== 'neurons' || depth === 1,
      'compute.split',
      `auto | examples for network.depth: ${depth} (a neuron above the first hidden layer needs all of those below it)`,
      split,
    ),
    ...need(
      split !== 'neurons' || update !== 'device',
      'compute.update',
      'auto | host for compute.split: neurons, whose workers each hold some of the rows',
      update,
    ),
  ]
}

function checkDevices({ compute: { devices } }: Config): Problem[] {
  if (devices === 'auto') return []
  return devices.flatMap((id, index) =>
    problemOfName(`compute.devices[${index}]`, () => parseDevice(id)),
  )
}

/** Test inputs and test labels come together. */
function checkTestFiles({ data: { source } }: Config): Problem[] {
  const files: readonly (readonly [string, string | undefined])[] =
    source.kind === 'idx'
      ? [
          ['testImages', source.testImages],
          ['testLabels', source.testLabels],
        ]
      : source.kind === 'npy'
        ? [
            ['testInputs', source.testInputs],
            ['testLabels', source.testLabels],
          ]
        : []
  const missing = files.filter(([, file]) => file === undefined)
  if (missing.length !== 1) return []
  const [key] = missing[0]!
  return need(
    false,
    `data.source.${key}`,
    'a file, since the other half of the test part is given',
    undefined,
  )
}

/** Core's tables know the names; their error, `Wrong KIND "NAME": reason. Expected …`, says which there are. */
function problemOfName(path: string, look: () => unknown): Problem[] {
  try {
    look()
    return []
  } catch (error) {
    if (!(error instanceof SaddleError)) throw error
    const [wrong = '', expected = 'a known name'] = error.message.split('. Expected ')
    return [{ path, expected: expected.replace(/\.$/, ''), got: wrong.replace(/^Wrong \w+ /, '') }]
  }
}
