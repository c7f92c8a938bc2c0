import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  absolutePaths,
  type Config,
  type ConfigInput,
  configHash,
  parseConfig,
  readConfig,
  writeConfig,
} from '@saddle/distributed'
import fc from 'fast-check'
import t, { type Test } from 'tap'

const minimal: ConfigInput = {
  data: { classes: [3, 8] },
  network: { width: 64 },
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 3 },
}
const text = `
data: {classes: [3, 8]}
network:
  width: 64        # m
perturbation: {kind: cap, radius: 0.1}
descent: {steps: 3}
`

function file(t: Test, content: string): string {
  return join(t.testdir({ 'run.yaml': content }), 'run.yaml')
}

t.test('a YAML file is read, with its folder', async t => {
  const path = file(t, text)
  const { config, directory } = await readConfig(path, [])
  t.same(config, parseConfig(minimal))
  t.equal(directory, t.testdirName)
})

t.test('settings of path=value go over the file, left to right, their values YAML', async t => {
  const read = async (...overrides: string[]) => (await readConfig(file(t, text), overrides)).config
  const config = await read(
    'descent.steps=10',
    'descent.steps=12',
    'data.classes=[4, 9]',
    'name=a=b',
    'attack.restarts=2',
    'evaluation.attack.stepSize=0.5',
    'data.sphere={kind: bias, value: 1}',
    'compute.workers=2',
    'descent.radius=null',
  )
  t.match(config, {
    name: 'a=b',
    data: { classes: [4, 9], sphere: { kind: 'bias', value: 1 } },
    descent: { steps: 12, radius: null },
    compute: { workers: 2 },
  })
  t.match(config.attack, { kind: 'pgd', steps: 10, restarts: 2 }, 'starts from the default')
  t.match(config.evaluation.attack, { kind: 'pgd', steps: 20, stepSize: 0.5 })
})

t.test('an unknown or broken setting is refused', async t => {
  const refused = (override: string, message: RegExp) =>
    t.rejects(readConfig(file(t, text), [override]), { code: 'CONFIG', message }, override)
  await refused('descent.step=3', /nearest is "descent\.steps"/)
  await refused('steps=3', /nearest is "[a-z.]*\.steps"/)
  await refused('zzzzzzzz=3', /see the configuration reference/)
  await refused('descent.steps', /expected path=value/)
  await refused('=3', /expected path=value/)
  await refused('data.classes=[3', /not YAML/)
  await refused('descent.steps=many', /descent\.steps: expected a whole number > 0; got "many"/)
})

t.test('a file that is missing, not YAML, or no configuration is refused by name', async t => {
  const refused = (path: string, message: RegExp, fields: object = {}) =>
    t.rejects(readConfig(path, []), { code: 'CONFIG', message, fields })
  await refused('nowhere/run.yaml', /nowhere\/run\.yaml cannot be read: there is no such file/)
  await refused(t.testdir(), /it is a folder/)
  await refused(file(t, 'seed: 1\ndata: {a: [}\n'), /run\.yaml is not YAML: line 2, column \d+/, {
    line: 2,
  })
  await refused(file(t, 'seed: 1\nseed: 2\n'), /line 2, column 1/)
  await refused(file(t, ''), /run\.yaml: The configuration is wrong/)
  await refused(file(t, `${text}loss: hubr\n`), /run\.yaml: .*loss: expected one of huber/)
})

t.test('relative paths start at the folder of the file, and come back absolute', async t => {
  const source = {
    kind: 'npy',
    inputs: 'x.npy',
    labels: '/data/y.npy',
    testInputs: '../z.npy',
    testLabels: 'w.npy',
  }
  const content = `${text.replace('{classes: [3, 8]}', `{source: ${JSON.stringify(source)}}`)}
monitor: {comparator: other}\n`
  const { config } = await readConfig(file(t, content), [])
  t.same(config.data.source, {
    kind: 'npy',
    inputs: join(t.testdirName, 'x.npy'),
    labels: '/data/y.npy',
    testInputs: join(t.testdirName, '../z.npy'),
    testLabels: join(t.testdirName, 'w.npy'),
  })
  t.equal(config.monitor.comparator, join(t.testdirName, 'other'))
  t.same(absolutePaths(config, '/elsewhere'), config, 'absolute paths stay')
})

const configs: fc.Arbitrary<Config> = fc
  .record({
    name: fc.string(),
    seed: fc.maxSafeNat(),
    family: fc.constantFrom('deep', 'two-layer'),
    half: fc.integer({ min: 1, max: 1e9 }),
    radius: fc.double({ min: 0, max: 1e300, noNaN: true }),
    stepSize: fc.oneof(
      fc.constant('theory' as const),
      fc.double({ min: 1e-300, max: 1e300, noNaN: true }),
      fc.constant({ kind: 'cosine' as const, from: 0.1 }),
      fc.constant({ kind: 'piecewise' as const, values: [1, 0.1], boundaries: [2] }),
    ),
    classes: fc.uniqueArray(fc.oneof(fc.nat(), fc.string({ minLength: 1 })), {
      minLength: 2,
      maxLength: 2,
      selector: String,
    }),
    attack: fc.constantFrom(
      { kind: 'identity' },
      { kind: 'fgsm', fosc: true },
      { kind: 'pgd', steps: 3 },
    ),
  })
  .map(({ name, seed, family, half, radius, stepSize, classes, attack }) =>
    parseConfig({
      name,
      seed,
      data: { classes },
      network: { family, width: 2 * half },
      perturbation: { kind: 'l2', radius },
      descent: { steps: 3, stepSize },
      attack,
    }),
  )

t.test('what is written reads back the same, to the last bit, with the same hash', async t => {
  const path = join(t.testdir(), 'config.yaml')
  await fc.assert(
    fc.asyncProperty(configs, async config => {
      await writeConfig(config, path)
      const back = (await readConfig(path, [])).config
      t.strictSame(back, config)
      t.equal(configHash(back), configHash(config))
    }),
    { numRuns: 60 },
  )
  t.match(readFileSync(path, 'utf8'), /^# A Saddle run[^\n]*\nname: /)
})

t.test('a configuration that cannot be written is a DISK error', async t => {
  const path = file(t, text)
  const config = parseConfig(minimal)
  await t.rejects(writeConfig(config, join(path, 'config.yaml')), {
    code: 'DISK',
    message: /config\.yaml: its folder is a file/,
  })
  await t.rejects(writeConfig(config, join(t.testdirName, 'no', 'config.yaml')), {
    code: 'DISK',
    message: /its folder does not exist/,
  })
  t.equal(readFileSync(path, 'utf8'), text)
})

t.test('the hash changes with what decides the weights, and with nothing else', async t => {
  const hash = (more: object) => configHash(parseConfig({ ...minimal, ...more }))
  const base = hash({})
  t.match(base, /^[0-9a-f]{64}$/)
  for (const more of [
    { name: 'other' },
    { checkpoints: { every: 1, keep: 9 } },
    { evaluation: { attack: { kind: 'fgsm' }, baseline: true } },
    { compute: { workers: 7, retries: 0 } },
    { network: { width: 64, init: 'symmetric' } },
  ])
    t.equal(hash(more), base, JSON.stringify(more))
  const others = [
    { seed: 1 },
    { loss: 'logistic' },
    { data: { classes: [8, 3] } },
    { data: { classes: [3, 8], count: 4 } },
    { network: { width: 66 } },
    { perturbation: { kind: 'cap', radius: 0.2 } },
    { attack: { kind: 'fgsm' } },
    { descent: { steps: 4 } },
    { descent: { steps: 3, radius: 1 } },
    { compute: { backend: 'cpu' } },
    { compute: { shard: 64 } },
    { compute: { precision: 'tf32' } },
    { compute: { precision: 'bf16' } },
  ].map(hash)
  t.equal(new Set([base, ...others]).size, others.length + 1, 'all differ')
  const csv = (path: string, header: boolean) =>
    hash({ data: { source: { kind: 'csv', file: path, header } } })
  t.equal(csv('/a/x.csv', true), csv('/b/y.csv', true), 'data have a hash of their own')
  t.not(csv('/a/x.csv', true), csv('/a/x.csv', false))
})
