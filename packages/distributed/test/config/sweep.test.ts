import { type ConfigInput, parseConfig, readConfig, readConfigFile } from '@saddle/distributed'
import fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { cellsOf } from '../../dist/config/sweep.js'

const base: ConfigInput = {
  name: 'base',
  data: { classes: [3, 8], source: { kind: 'csv', file: 'points.csv' } },
  network: { width: 64 },
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 3 },
}

t.test('a sweep stands for every combination, the last setting moving fastest', t => {
  const sweep = { 'network.width': [64, 128], seed: [0, 1, 2], 'attack.steps': [5] }
  const cells = cellsOf({ ...base, sweep }, '/data')!
  t.same(
    cells.map(({ config }) => [config.network.width, config.seed]),
    [64, 128].flatMap(width => [0, 1, 2].map(seed => [width, seed])),
  )
  t.equal(cells[1]!.name, 'width=64,seed=1,steps=5')
  t.same(cells[1]!.settings, { 'network.width': 64, seed: 1, 'attack.steps': 5 })
  t.equal(cells[1]!.config.name, 'base-width=64,seed=1,steps=5')
  t.match(cells[0]!.config.attack, { kind: 'pgd', steps: 5 }, 'other defaults of the attack stay')
  t.match(cells[0]!.config.data.source, { file: '/data/points.csv' }, 'paths are absolute')
  t.same(
    { ...cells[4]!.config, name: 'base' },
    {
      ...parseConfig({
        ...base,
        network: { width: 128 },
        seed: 1,
        attack: { kind: 'pgd', steps: 5 },
      }),
      data: cells[4]!.config.data,
    },
    'a cell is the configuration with its settings',
  )
  t.end()
})

t.test('a cell keeps its name when the sweep grows, and names differ', t => {
  // A setting that takes any text.
  const texts = fc.uniqueArray(fc.string({ maxLength: 60 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(texts, fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 4 }), (a, seeds) => {
      const cells = cellsOf({ ...base, sweep: { 'monitor.comparator': a, seed: seeds } }, '/')!
      const names = cells.map(({ name }) => name)
      const more = cellsOf(
        { ...base, sweep: { 'monitor.comparator': a, seed: [...seeds, 1001] } },
        '/',
      )!
      return (
        new Set(names).size === a.length * seeds.length &&
        names.every(
          name => /^[\w.+=,-]{1,120}$/.test(name) && more.some(cell => cell.name === name),
        )
      )
    }),
    { numRuns: 25 },
  )
  t.end()
})

t.test('settings of equal last keys are named by as much of their path as tells them apart', t => {
  const names = (sweep: object) => cellsOf({ ...base, sweep }, '/')!.map(({ name }) => name)
  t.same(names({ 'attack.steps': [5], 'descent.steps': [9] }), ['attack.steps=5,descent.steps=9'])
  t.match(names({ attack: [{ kind: 'fgsm' }] })[0], /^attack=fgsm-[0-9a-f]{8}$/)
  t.end()
})

t.test('what is wrong with a sweep is said, with the setting and the cell', async t => {
  const cases = [
    [[], /sweep: expected a mapping of settings to lists/],
    [{}, /sweep: expected a mapping/],
    [{ 'network.widht': [1] }, /sweep\.network\.widht.*nearest is network\.width/],
    [{ sweep: [1] }, /sweep\.sweep/],
    [
      { 'network.width': 64 },
      /sweep\.network\.width: expected a list of at least one value; got 64/,
    ],
    [{ 'network.width': [] }, /at least one value/],
    [{ 'network.width': [64, 63] }, /cell width=63: .*even/s],
    [{ seed: [1, 1] }, /different values.*two cells seed=1/],
    [{ seed: Array.from({ length: 10_001 }, (_, i) => i) }, /at most 10000 cells; got 10001/],
  ] as const
  for (const [sweep, message] of cases)
    t.throws(() => cellsOf({ ...base, sweep }, '/'), { code: 'CONFIG', message })
  t.throws(() => parseConfig({ ...base, sweep: { seed: [1] } }), {
    code: 'CONFIG',
    message: /sweep: expected one run here/,
  })
})

t.test('a file is read as one run or as a sweep', async t => {
  const dir = t.testdir({
    'one.yaml': stringify(base),
    'many.yaml': stringify({ ...base, sweep: { seed: [4, 5] } }),
  })
  const one = await readConfigFile(`${dir}/one.yaml`, ['seed=9'])
  t.match(one, { name: 'base', swept: false, cells: [{ name: '', config: { seed: 9 } }] })
  t.same(one.cells[0]!.config, (await readConfig(`${dir}/one.yaml`, ['seed=9'])).config)
  const many = await readConfigFile(`${dir}/many.yaml`, ['network.width=32'])
  t.match(many, { name: 'base', swept: true, cells: [{ name: 'seed=4' }, { name: 'seed=5' }] })
  t.ok(many.cells.every(({ config }) => config.network.width === 32))
  const set = await readConfigFile(`${dir}/one.yaml`, ['sweep={seed: [1, 2, 3]}'])
  t.equal(set.cells.length, 3, 'on the command line too')
  await t.rejects(readConfig(`${dir}/many.yaml`), { message: /many\.yaml.*sweep/s })
  await t.rejects(readConfigFile(`${dir}/many.yaml`, ['sweep={sede: [1]}']), {
    message: /many\.yaml.*sweep\.sede.*seed/s,
  })
})
