import { createHash } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import {
  latestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../../dist/checkpoint/checkpoint.js'
import { checkCheckpointMatches } from '../../dist/checkpoint/state.js'
import { stateAt, tensorsAt, writeSteps } from './examples.js'

const FILES = ['displacement.safetensors', 'initial.safetensors', 'manifest.json', 'state.json']

function flip(file: string, at: number, bit = 0): void {
  const bytes = readFileSync(file)
  if (at >= bytes.length) throw new Error(`${file} has ${bytes.length} bytes`)
  bytes[at]! ^= 1 << bit
  // Anew, so that a file that is linked elsewhere is damaged here only.
  rmSync(file)
  writeFileSync(file, bytes)
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

t.test('a checkpoint reads back as it was written, infinities too', async t => {
  const dir = t.testdir()
  const state = stateAt(150, { bestLoss: Number.POSITIVE_INFINITY })
  const path = await writeCheckpoint(dir, state, tensorsAt(150), 2)
  t.equal(path, join(dir, 'checkpoints', 'step-000150'))
  t.same(readdirSync(path).sort(), FILES)
  t.equal(await latestCheckpoint(dir), path)
  const back = await readCheckpoint(path)
  t.strictSame(back.state, state)
  const { initial, displacement } = tensorsAt(150)
  t.strictSame([...back.initial.values()], initial)
  t.strictSame([...back.displacement.values()], displacement)
  const { files } = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))
  for (const name of FILES.filter(name => name !== 'manifest.json'))
    t.same(files[name], {
      bytes: statSync(join(path, name)).size,
      sha256: sha256(join(path, name)),
    })
})

t.test('a folder without checkpoints has no latest one', async t => {
  const dir = t.testdir({ checkpoints: { '.writing-step-000009-1': {}, other: {}, 'step-x': {} } })
  t.equal(await latestCheckpoint(dir), null)
  t.equal(await latestCheckpoint(join(dir, 'nowhere')), null)
})

t.test('the latest is that of the largest step, also past the padding', async t => {
  const dir = t.testdir()
  const paths = await writeSteps(dir, [999_999, 1_000_000, 2])
  t.equal(await latestCheckpoint(dir), paths[1])
})

t.test('the newest are kept, the older ones removed', async t => {
  const dir = t.testdir()
  await writeSteps(dir, [1, 2, 3], 2)
  t.same(readdirSync(join(dir, 'checkpoints')).sort(), ['step-000002', 'step-000003'])
  await writeSteps(dir, [4], 1)
  t.same(readdirSync(join(dir, 'checkpoints')), ['step-000004'])
  await readCheckpoint((await latestCheckpoint(dir))!)
})

t.test(
  'the initial weights are on disk once, and outlive the checkpoint that wrote them',
  async t => {
    const dir = t.testdir()
    const [first, second] = await writeSteps(dir, [1, 2])
    const inode = (path: string) => statSync(join(path, 'initial.safetensors')).ino
    t.equal(inode(first!), inode(second!))
    const [third] = await writeSteps(dir, [3], 1)
    t.same((await readCheckpoint(third!)).initial.get('hidden.initial')!.data.length, 12)
    const other = { ...tensorsAt(4), initial: tensorsAt(4, 5).initial }
    const fourth = await writeCheckpoint(dir, stateAt(4), other, 2)
    t.not(inode(fourth), inode(third!), 'other weights are written anew')
    t.equal((await readCheckpoint(fourth)).initial.get('hidden.initial')!.data.length, 5)
  },
)

t.test('a file of other length, or a damaged manifest, is not linked to', async t => {
  const dir = t.testdir()
  const [first] = await writeSteps(dir, [1])
  truncateSync(join(first!, 'initial.safetensors'), 40)
  const [second] = await writeSteps(dir, [2])
  await readCheckpoint(second!)
  flip(join(second!, 'manifest.json'), 30)
  const [third] = await writeSteps(dir, [3])
  await readCheckpoint(third!)
})

t.test('any flipped bit is found, and the error names the file and both hashes', async t => {
  const dir = t.testdir()
  const [path] = await writeSteps(dir, [7])
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...FILES), fc.nat(), fc.nat(7), async (name, at, bit) => {
      const file = join(path!, name)
      const whole = readFileSync(file)
      const expected = sha256(file)
      flip(file, at % whole.length, bit)
      const got = sha256(file)
      await t.rejects(readCheckpoint(path!), {
        code: 'CHECKPOINT',
        message:
          name === 'manifest.json'
            ? /manifest\.json|format/
            : new RegExp(`${name} is damaged: expected SHA-256 ${expected}, got ${got}`),
        fields: { checkpoint: path },
      })
      writeFileSync(file, whole)
    }),
    { numRuns: 150 },
  )
  await readCheckpoint(path!)
})

t.test('the error names the newest whole checkpoint to fall back to', async t => {
  const dir = t.testdir()
  const [one, two, three] = await writeSteps(dir, [1, 2, 3])
  flip(join(three!, 'displacement.safetensors'), 60)
  await t.rejects(readCheckpoint(three!), {
    message:
      /whole checkpoint before it is step-000002: remove the folder .*step-000003 and resume/,
  })
  rmSync(join(two!, 'state.json'))
  await t.rejects(readCheckpoint(three!), { message: /before it is step-000001/ })
  await t.rejects(readCheckpoint(two!), { message: /state\.json is damaged: it is missing/ })
  truncateSync(join(one!, 'displacement.safetensors'), 10)
  await t.rejects(readCheckpoint(three!), { message: /no earlier whole checkpoint/ })
  await t.rejects(readCheckpoint(one!), {
    message: /displacement\.safetensors is damaged: expected \d+ bytes, got 10/,
  })
})

t.test('a missing manifest or folder, and another format, are told apart', async t => {
  const dir = t.testdir()
  const [path] = await writeSteps(dir, [1])
  const manifest = join(path!, 'manifest.json')
  const { files } = JSON.parse(readFileSync(manifest, 'utf8'))
  writeFileSync(manifest, JSON.stringify({ format: 1, files }))
  await t.rejects(readCheckpoint(path!), {
    code: 'CHECKPOINT',
    message: /has format 1; .* reads formats 2 and 3/,
  })
  for (const content of ['', 'null', '3', '{}', '{"format":2}', '{"format":2,"files":{}}']) {
    writeFileSync(manifest, content)
    await t.rejects(
      readCheckpoint(path!),
      { code: 'CHECKPOINT', message: /manifest\.json/ },
      content,
    )
  }
  rmSync(manifest)
  await t.rejects(readCheckpoint(path!), {
    code: 'CHECKPOINT',
    message: /manifest\.json is damaged: it is missing/,
  })
  await t.rejects(readCheckpoint(join(dir, 'nowhere')), { code: 'CHECKPOINT' })
})

t.test('leftovers of dead writers are removed, those of a living one are left', async t => {
  const dir = t.testdir()
  await writeSteps(dir, [1])
  const parent = join(dir, 'checkpoints')
  // Process numbers end at 2²²: the first can be nobody's. The parent of this process lives.
  const dead = [
    '.writing-step-000002-4194305',
    '.removing-step-000000-4194305',
    `.writing-step-000003-${process.pid}`,
  ]
  const living = `.writing-step-000002-${process.ppid}`
  for (const name of [...dead, living]) mkdirSync(join(parent, name, 'inside'), { recursive: true })
  await writeSteps(dir, [2])
  t.same(readdirSync(parent).sort(), [living, 'step-000001', 'step-000002'])
})

t.test(
  'a whole checkpoint of the same run and step stays; a damaged or foreign one is replaced',
  async t => {
    const dir = t.testdir()
    const [path] = await writeSteps(dir, [1])
    const before = statSync(path!).ino
    await writeSteps(dir, [1])
    t.equal(statSync(path!).ino, before)
    flip(join(path!, 'initial.safetensors'), 150)
    await writeSteps(dir, [1])
    await readCheckpoint(path!)
    await writeCheckpoint(dir, stateAt(1, { dataHash: 'other' }), tensorsAt(1), 2)
    t.equal((await readCheckpoint(path!)).state.dataHash, 'other')
    t.same(readdirSync(join(dir, 'checkpoints')), [basename(path!)])
  },
)

t.test('a checkpoint of another configuration or other data is refused, naming which', async t => {
  const state = stateAt(5, { configHash: 'a'.repeat(64), dataHash: 'b'.repeat(64) })
  const { configHash, dataHash } = state
  t.doesNotThrow(() => checkCheckpointMatches(state, configHash, dataHash))
  const refused = (config: string, data: string, message: RegExp) =>
    t.throws(() => checkCheckpointMatches(state, config, data), { code: 'CHECKPOINT', message })
  refused('x', dataHash, /another run: the configuration \(hash a{12} then, x now\) changed/)
  refused(configHash, 'y', /another run: the data \(hash b{12} then, y now\) changed/)
  refused('x', 'y', /the configuration .* and the data .* changed/)
})

t.test('a checkpoint that cannot be written is a DISK error', async t => {
  const dir = t.testdir({ checkpoints: 'a file' })
  await t.rejects(writeCheckpoint(dir, stateAt(1), tensorsAt(1), 2), {
    code: 'DISK',
    message: /the checkpoint of step 1 to .*checkpoints, about 112 bytes: a file is in its way/,
  })
})
