import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  configHash,
  createRunFolder,
  exportPerceptron,
  openRunFolder,
  parseConfig,
  readMetrics,
  type StepRecord,
} from '@saddle/distributed'
import fc from 'fast-check'
import t from 'tap'
import { readSafetensors } from '../../dist/checkpoint/safetensors.js'
import { writeJsonAtomic } from '../../dist/run/folder.js'
import { closeLogger, createLogger } from '../../dist/run/logger.js'
import { MetricsLog } from '../../dist/run/metrics.js'
import { smallDisk } from '../fixtures/small-disk.js'

const config = parseConfig({
  data: { classes: [3, 8] },
  network: { width: 64 },
  perturbation: { kind: 'cap', radius: 0.1 },
  descent: { steps: 3 },
})

function record(step: number): StepRecord {
  return {
    step,
    loss: 1 / (step + 3),
    robustAccuracy: 0.5,
    stepSize: 2,
    gradientNorm: 0.1,
    distances: [{ group: 'all', distance: 0.25, scale: 1 }],
    projected: false,
    cost: { examples: 2, passes: 12, forwards: 2, firstLayer: 0 },
    seconds: 0.01,
  }
}

const records = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => record(from + i))

t.test('a run folder is created with its configuration, and opened with the same', async t => {
  const dir = join(t.testdir(), 'runs', 'first')
  await createRunFolder(dir, config)
  t.same(readdirSync(dir), ['config.yaml'])
  t.same(await openRunFolder(dir), { config, configHash: configHash(config) })
})

t.test('a folder that holds a run, or is a file, is refused', async t => {
  const dir = t.testdir({ file: 'content' })
  await createRunFolder(dir, config)
  await t.rejects(createRunFolder(dir, config), {
    code: 'CONFIG',
    message: /holds a run already\. .*`saddle resume .*--out/,
  })
  for (const path of ['file', 'file/run'])
    await t.rejects(createRunFolder(join(dir, path), config), {
      code: 'CONFIG',
      message: /is a file/,
    })
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), 'content')
})

t.test('what is no run folder, or has a broken configuration, cannot be opened', async t => {
  const dir = t.testdir({ 'config.yaml': 'seed: x' })
  await t.rejects(openRunFolder(dir), {
    code: 'CONFIG',
    message: /config\.yaml: .*seed: expected/s,
  })
  rmSync(join(dir, 'config.yaml'))
  for (const path of [dir, join(dir, 'nowhere')])
    await t.rejects(openRunFolder(path), {
      code: 'CONFIG',
      message: /is no run folder: it has no config\.yaml/,
    })
})

t.test('JSON is written whole over what was there', async t => {
  const file = join(t.testdir(), 'summary.json')
  await writeJsonAtomic(file, { a: [1] })
  await writeJsonAtomic(file, { a: [2] })
  t.equal(readFileSync(file, 'utf8'), '{\n  "a": [\n    2\n  ]\n}\n')
  t.same(readdirSync(t.testdirName), ['summary.json'])
})

t.test('metrics read back as they were appended, and count their bytes', async t => {
  const dir = t.testdir()
  t.same(readMetrics(dir), [], 'none yet')
  const log = MetricsLog.open(dir)
  for (const one of records(0, 5)) log.append(one)
  log.flush()
  t.equal(log.bytes, statSync(join(dir, 'metrics.jsonl')).size)
  t.same(readMetrics(dir), records(0, 5), 'before it is closed, too')
  log.close()
  const again = MetricsLog.open(dir)
  again.append(record(5))
  again.close()
  t.same(readMetrics(dir), records(0, 6))
})

t.test('wherever a run is cut, resuming loses no step and doubles none', async t => {
  const dir = t.testdir()
  const file = join(dir, 'metrics.jsonl')
  fc.assert(
    fc.property(fc.nat(6), fc.nat(6), fc.nat(), (before, after, cut) => {
      const first = MetricsLog.open(dir, { truncateTo: 0 })
      for (const one of records(0, before)) first.append(one)
      const atCheckpoint = first.bytes
      for (const one of records(before, before + after)) first.append(one)
      const end = first.bytes
      first.close()
      truncateSync(file, atCheckpoint + (cut % (end - atCheckpoint + 1)))
      const second = MetricsLog.open(dir, { truncateTo: atCheckpoint })
      t.equal(second.bytes, atCheckpoint)
      for (const one of records(before, 9)) second.append(one)
      second.close()
      t.same(readMetrics(dir), records(0, 9))
    }),
    { numRuns: 40 },
  )
})

t.test('a last line that was cut short is left out, any other damage is an error', async t => {
  const dir = t.testdir()
  const file = join(dir, 'metrics.jsonl')
  const log = MetricsLog.open(dir)
  for (const one of records(0, 2)) log.append(one)
  log.close()
  appendFileSync(file, '{"step":2,"lo')
  t.same(readMetrics(dir), records(0, 2))
  const again = MetricsLog.open(dir)
  again.append(record(2))
  again.close()
  t.same(readMetrics(dir), records(0, 3), 'opening removes it')
  writeFileSync(file, `{"step":0}\nx\n{"step":2}\n`)
  t.throws(() => readMetrics(dir), { code: 'DATA', message: /line 2 is not JSON: "x"/ })
})

t.test('metrics that are shorter than their checkpoint says are refused', async t => {
  const dir = t.testdir({ 'metrics.jsonl': '{"step":0}\n' })
  t.throws(() => MetricsLog.open(dir, { truncateTo: 12 }), {
    code: 'CHECKPOINT',
    message: /expected at least 12 bytes, got 11/,
  })
  t.throws(() => MetricsLog.open(join(dir, 'nowhere')), { code: 'DISK' })
})

t.test('the log has a line of JSON an entry, all there once it is closed', async t => {
  const dir = t.testdir()
  const logger = createLogger(dir)
  for (let i = 0; i < 300; i++) logger.info(`entry ${i}`, { i })
  logger.warn('worker lost', { task: { kind: 'attack' }, attempt: 1 })
  await closeLogger(logger)
  await closeLogger(logger)
  const lines = readFileSync(join(dir, 'log.jsonl'), 'utf8').trimEnd().split('\n')
  const entries = lines.map(line => JSON.parse(line))
  t.equal(entries.length, 301)
  t.match(entries[17], {
    level: 'info',
    message: 'entry 17',
    i: 17,
    timestamp: /^\d{4}-\d\d-\d\dT/,
  })
  t.match(entries[300], { level: 'warn', task: { kind: 'attack' }, attempt: 1 })
  const more = createLogger(dir)
  more.error('resumed')
  await closeLogger(more)
  t.equal(
    readFileSync(join(dir, 'log.jsonl'), 'utf8').split('\n').length,
    303,
    'goes on at the end',
  )
  t.throws(() => createLogger(join(dir, 'nowhere')), { code: 'DISK' })
})

const disk = smallDisk('64k')
t.teardown(() => disk?.remove())
const noDisk = disk === null && 'needs the right to mount a small tmpfs'

t.test(
  'a full disk loses log lines, stops no run, and is a DISK error of metrics',
  { skip: noDisk },
  async t => {
    const dir = disk!.path
    writeFileSync(join(dir, 'filler'), Buffer.alloc(20_000))
    const logger = createLogger(dir)
    const metrics = MetricsLog.open(dir)
    for (let i = 0; i < 100; i++) logger.info('x'.repeat(1000))
    t.throws(() => metrics.append(record(0)), {
      code: 'DISK',
      message: /metrics\.jsonl: the disk is full \(ENOSPC\)\. Earlier checkpoints/,
    })
    rmSync(join(dir, 'filler'))
    logger.info('there is room again')
    metrics.append(record(1))
    await closeLogger(logger)
    metrics.close()
    const lines = readFileSync(join(dir, 'log.jsonl'), 'utf8').trimEnd().split('\n')
    t.match(JSON.parse(lines.at(-1)!), { message: 'there is room again' })
    t.ok(lines.length < 100, 'lines were lost')
  },
)

t.test('a network is exported as plain matrices with its activation', async t => {
  const file = join(t.testdir(), 'net.safetensors')
  const layers = [
    { name: 'layers.1.weight', rows: 2, cols: 3, data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'output.weight', rows: 1, cols: 2, data: Float32Array.of(-1, 1) },
  ]
  await exportPerceptron({ activation: 'relu', layers }, file, { run: 'a', step: '7' })
  const { tensors, metadata } = await readSafetensors(file)
  t.same(metadata, { activation: 'relu', run: 'a', step: '7' })
  t.same(
    [...tensors.values()],
    layers.map(({ name, rows, cols, data }) => ({ name, shape: [rows, cols], data })),
  )
  t.same(readdirSync(t.testdirName), ['net.safetensors'])
  await t.rejects(exportPerceptron({ activation: 'relu', layers }, join(file, 'x'), {}), {
    code: 'DISK',
  })
})
