import { readFileSync } from 'node:fs'
import { type AttackSpec, attackFrom } from '@saddle/attacks'
import { SaddleError } from '@saddle/core'
import { type Config, jsonSchema, type Problem, parseConfig } from '@saddle/distributed'
import t from 'tap'
import { attackSchema } from '../../dist/config/attack-schema.js'
import { referencePage } from '../../dist/config/reference.js'
import { settings } from '../../dist/config/settings.js'

/** The least that a run needs. */
const minimal = {
  data: { classes: [3, 8] },
  network: { width: 64 },
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 3 },
}

/** The problems of a wrong configuration, by path. */
function problemsOf(value: unknown): Record<string, Problem> {
  try {
    parseConfig(value)
  } catch (error) {
    if (!(error instanceof SaddleError) || error.code !== 'CONFIG') throw error
    const problems = error.fields.problems as Problem[]
    for (const { path, expected, got } of problems)
      if (
        !error.message.includes(`${path || 'The configuration'}: expected ${expected}; got ${got}.`)
      )
        throw new Error(`not in the message: ${path}`)
    return Object.fromEntries(problems.map(problem => [problem.path, problem]))
  }
  throw new Error('accepted')
}

t.test('the least configuration gets every default, and parses to itself', async t => {
  const config = parseConfig(minimal)
  t.match(config, {
    name: 'run',
    seed: 0,
    data: { source: { kind: 'mnist' }, labels: 'scalar', sphere: { kind: 'normalise' } },
    network: { family: 'two-layer', init: 'symmetric', activation: 'relu' },
    loss: 'huber:1',
    attack: { kind: 'pgd', steps: 10 },
    evaluation: { attack: { kind: 'pgd', steps: 20 } },
    descent: { stepSize: 'theory', radius: null, batch: 'full' },
    compute: { backend: 'auto', workers: 'auto' },
  })
  t.same(parseConfig(config), config)
})

t.test('the default init is that of the family', async t => {
  const init = (family: string) =>
    parseConfig({ ...minimal, network: { width: 64, family } }).network.init
  t.equal(init('deep'), 'paper')
  t.equal(init('two-layer'), 'symmetric')
})

t.test('every problem is listed with its path, what was expected, and what was got', async t => {
  const problems = problemsOf({
    data: { source: { kind: 'mnis' }, labels: 'x' },
    network: { width: -3 },
    perturbation: { kind: 'l2', radius: 'a' },
    descent: { steps: 1.5, stepSize: { kind: 'cosine' }, batch: Number.POSITIVE_INFINITY },
    compute: 5,
  })
  t.match(problems, {
    'data.source.kind': { expected: /^mnist \| idx/, got: '"mnis"' },
    'data.labels': { expected: 'scalar | classes', got: '"x"' },
    'network.width': { expected: 'a whole number > 0', got: '-3' },
    'perturbation.radius': { expected: 'a number ≥ 0', got: '"a"' },
    'descent.steps': { expected: 'a whole number > 0', got: '1.5' },
    'descent.stepSize.from': { expected: 'a number > 0', got: 'nothing' },
    'descent.batch': { expected: 'full, or a whole number > 0', got: 'Infinity' },
    compute: { expected: 'a mapping', got: '5' },
  })
  t.equal(Object.keys(problems).length, 8)
})

t.test('what is no mapping at all is refused whole', async t => {
  for (const value of [null, undefined, 3, 'text', []]) t.hasOwnProp(problemsOf(value), '')
})

t.test('an unknown key is refused with the nearest known one, and those of its kind', async t => {
  const unknown = (path: string, value: object) => problemsOf({ ...minimal, ...value })[path]
  t.match(unknown('see', { see: 1 }), {
    expected: /^seed, or another/,
    got: 'the unknown key "see"',
  })
  t.match(unknown('descent.step', { descent: { steps: 3, step: 1 } }), { expected: /^steps, or/ })
  t.match(unknown('attack.restart', { attack: { kind: 'pgd', restart: 2 } }), {
    expected: /^restarts, or another known key of kind pgd/,
  })
  t.match(unknown('attack.steps', { attack: { kind: 'fgsm', steps: 2 } }), {
    expected: 'a known key of kind fgsm (kind, loss, fosc)',
  })
  t.match(
    unknown('descent.stepSize.until', {
      descent: { steps: 3, stepSize: { kind: 'cosine', from: 1, until: 0 } },
    }),
    { expected: /of kind cosine \(kind, from, to\)/ },
  )
})

t.test('settings that do not fit each other are refused, each at its path', async t => {
  const deep = { family: 'deep', width: 64 }
  const lift = { classes: [3, 8], sphere: { kind: 'lift' } }
  const piecewise = (values: number[], boundaries: number[]) => ({
    descent: { steps: 9, stepSize: { kind: 'piecewise', values, boundaries } },
  })
  const clusters = { kind: 'clusters', dimension: 4, separation: 1, spread: 0.1 }
  const table: [path: string, value: object, expected: RegExp][] = [
    ['network.width', { network: { width: 63 } }, /even/],
    ['network.depth', { network: { width: 64, depth: 2 } }, /^1 for family two-layer/],
    ['network.init', { network: { width: 64, init: 'paper' } }, /^symmetric for/],
    ['network.init', { network: { ...deep, init: 'symmetric' } }, /^paper \| mirrored \| subtract/],
    ['network.first', { network: { width: 64, first: 'dense' } }, /two-layer/],
    ['network.activation', { network: { ...deep, activation: 'tanh' } }, /^relu/],
    ['network.activation', { network: { width: 64, activation: 'rel' } }, /one of relu/],
    ['loss', { loss: 'hubr' }, /one of huber/],
    ['loss', { loss: 'cross-entropy' }, /scalar/],
    ['loss', { data: { labels: 'classes' } }, /^cross-entropy/],
    ['data.classes', { data: {} }, /exactly two/],
    ['data.classes', { data: { classes: [1, 2, 3] } }, /exactly two/],
    ['data.classes', { data: { classes: [3, '3'] } }, /once/],
    ['data.count', { data: { source: clusters } }, /how many/],
    ['data.sphere.kind', { perturbation: { kind: 'lift-l2', radius: 0.1 } }, /^lift/],
    ['perturbation.kind', { data: lift }, /^lift-l2/],
    ['perturbation.kind', { data: lift, perturbation: { kind: 'l2', radius: 1 } }, /^lift-l2/],
    [
      'data.sphere.kind',
      { data: { classes: [3, 8], sphere: { kind: 'none' } }, descent: { steps: 1, stepSize: 1 } },
      /normalise \| bias/,
    ],
    [
      'descent.stepSize',
      {
        data: { classes: [3, 8], sphere: { kind: 'none' } },
        perturbation: { kind: 'l2', radius: 1 },
      },
      /a number .* inputs of norm 1 only/,
    ],
    [
      'attack.objective',
      {
        data: { labels: 'classes' },
        loss: 'cross-entropy',
        attack: { kind: 'pgd', objective: 'two-sided' },
      },
      /^loss/,
    ],
    [
      'descent.batch',
      { data: { classes: [3, 8], count: 10 }, descent: { steps: 1, batch: 11 } },
      /10/,
    ],
    ['descent.stepSize.boundaries', piecewise([3, 2, 1], [5, 5]), /ascending/],
    ['descent.stepSize.values', piecewise([3, 2], [5, 6]), /i\.e\. 3/],
    [
      'data.source.testLabels',
      { data: { source: { kind: 'idx', images: 'x', labels: 'y', testImages: 'z' } } },
      /a file/,
    ],
  ]
  for (const [path, value, expected] of table) {
    const problems = problemsOf({ ...minimal, ...value })
    t.same(Object.keys(problems), [path], JSON.stringify(value))
    t.match(problems[path], { expected })
  }
})

t.test('settings that fit each other are accepted', async t => {
  const accepted: object[] = [
    { network: { family: 'deep', width: 63, depth: 3, init: 'mirrored', first: 'dense' } },
    { network: { width: 64, activation: 'softplus:4' }, loss: 'pseudo-huber:0.5' },
    { data: { labels: 'classes' }, loss: 'cross-entropy' },
    {
      data: { classes: [3, 8], sphere: { kind: 'lift' } },
      perturbation: { kind: 'lift-linf', radius: 0 },
    },
    {
      data: { classes: [3, 8], sphere: { kind: 'none' } },
      perturbation: { kind: 'box-l2', radius: 1 },
      descent: { steps: 1, stepSize: 1 },
    },
    { descent: { steps: 9, stepSize: { kind: 'piecewise', values: [1], boundaries: [] } } },
    { data: { source: { kind: 'csv', file: 'x.csv', labelColumn: -1 } } },
    { data: { source: { kind: 'pairs', dimension: 3, delta: 0.1 }, count: 10 } },
  ]
  for (const value of accepted)
    t.doesNotThrow(() => parseConfig({ ...minimal, ...value }), JSON.stringify(value))
})

t.test('every setting is described, and has an example of its type', async t => {
  const all = settings()
  t.ok(all.length > 60)
  for (const { path, description, type } of all) {
    t.ok(description !== '', path)
    t.notMatch(type, /anything/, path)
  }
  const config: Config = parseConfig(minimal)
  for (const path of ['descent.steps', 'evaluation.attack.kind', 'compute.shard', 'seed'])
    t.ok(all.some(setting => setting.path === path))
  const topLevel = all.map(({ path }) => path).filter(path => !path.includes('.'))
  // A sweep is of the file, and in no configuration that a run has.
  t.same(new Set(topLevel), new Set([...Object.keys(config), 'sweep']))
})

t.test('the committed schema and reference page are those of the code', async t => {
  const read = (name: string) =>
    readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8')
  t.same(JSON.parse(read('packages/distributed/saddle.schema.json')), jsonSchema())
  t.equal(read('docs/configuration.md'), referencePage())
})

t.test('the defaults of an attack are the same in a configuration and in its function', async t => {
  let compared = 0
  for (const { shape } of attackSchema.options) {
    const kind = String(shape.kind.def.values[0])
    // These need to be told of another attack.
    const inner = { kind: 'pgd' }
    const given = { bisection: { attack: inner }, 'worst-case': { attacks: [inner] } }[
      kind as string
    ]
    const parsed = attackSchema.parse({ kind, ...given }) as AttackSpec
    const bare = { kind, ...('attack' in parsed ? { attack: parsed.attack } : {}) }
    if (kind === 'worst-case') continue
    t.same(attackFrom(parsed).spec, attackFrom(bare as AttackSpec).spec, String(kind))
    compared++
  }
  t.ok(compared >= 25)
})
