import { spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  latestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../../dist/checkpoint/checkpoint.js'
import { smallDisk } from '../fixtures/small-disk.js'
import { stateAt, tensorsAt, writeSteps } from './examples.js'

const writer = fileURLToPath(new URL('../fixtures/checkpoints.mjs', import.meta.url))
const LENGTH = 200_000

/** A writer from `from` on, killed after `milliseconds` of writing; the last step that it called safe. */
async function killed(dir: string, from: number, milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, [writer, dir, String(from), '1000000', String(LENGTH)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  child.stdout.on('data', chunk => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), milliseconds)
    said += chunk
  })
  await closed
  return Number(said.trimEnd().split('\n').at(-1))
}

t.test(
  'a writer killed at any moment leaves only whole checkpoints, the safe ones among them',
  async t => {
    const dir = t.testdir()
    const parent = join(dir, 'checkpoints')
    let step = 0
    let interrupted = 0
    // Ten kills, at moments that step through a checkpoint's duration (some 5 ms here) and beyond.
    for (let k = 0; k < 10; k++) {
      const safe = await killed(dir, step + 1, 2 + 2 * k)
      t.ok(safe > step, `${safe} checkpoints so far`)
      interrupted += Number(readdirSync(parent).some(name => name.startsWith('.')))
      const path = await latestCheckpoint(dir)
      const { state, initial, displacement } = await readCheckpoint(path!)
      t.ok(state.step === safe || state.step === safe + 1, `step ${state.step}, ${safe} was safe`)
      t.ok(displacement.get('d')!.data.every(x => x === state.step))
      t.ok(initial.get('initial')!.data.every((x, i) => x === i))
      for (const name of readdirSync(parent).filter(name => name.startsWith('step-')))
        await readCheckpoint(join(parent, name))
      step = state.step
    }
    t.ok(interrupted > 0, `${interrupted} of 10 kills hit a checkpoint being written`)
    await writeCheckpoint(dir, stateAt(step + 1), tensorsAt(step + 1), 1)
    t.same(readdirSync(parent), [basename((await latestCheckpoint(dir))!)], 'no leftovers')
  },
)

const disk = smallDisk('1m')
t.teardown(() => disk?.remove())
const noDisk = disk === null && 'needs the right to mount a small tmpfs'

t.test(
  'a full disk is a DISK error, and earlier checkpoints are intact',
  { skip: noDisk },
  async t => {
    const dir = disk!.path
    const paths = await writeSteps(dir, [1, 2])
    const before = readdirSync(join(dir, 'checkpoints'))
    await t.rejects(writeCheckpoint(dir, stateAt(3), tensorsAt(3, 200_000), 1), {
      code: 'DISK',
      message:
        /the checkpoint of step 3 to .*, about 1600016 bytes: the disk is full \(ENOSPC\)\. Earlier checkpoints are intact.*`saddle resume \S+`/,
    })
    t.same(readdirSync(join(dir, 'checkpoints')), before, 'nothing of it is left')
    for (const path of paths) await readCheckpoint(path)
    await writeSteps(dir, [3])
    t.equal(
      (await readCheckpoint((await latestCheckpoint(dir))!)).state.step,
      3,
      'a smaller one fits',
    )
  },
)

const noLimit = process.platform === 'win32' && 'needs ulimit'

t.test('a limit of the size of files is a DISK error too', { skip: noLimit }, async t => {
  const dir = t.testdir()
  await writeSteps(dir, [1])
  // 100 blocks of 512 or 1024 bytes, as the shell has it; the file takes 800 kB.
  const script = 'ulimit -f 100; exec "$0" "$@"'
  const args = ['-c', script, process.execPath, writer, dir, '2', '2', String(LENGTH)]
  const { stdout } = spawnSync('sh', args, { encoding: 'utf8' })
  t.match(JSON.parse(stdout), { code: 'DISK', message: /larger than files may be here \(EFBIG\)/ })
  t.same(readdirSync(join(dir, 'checkpoints')), ['step-000001'])
})
