import { link, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { discard, diskError, syncFolder, writeSynced } from '../run/files.js'
import { FORMAT, MANIFEST, manifestText, readManifest, sha256Of, verify } from './manifest.js'
import { type FileRecord, readSafetensors, writeSafetensors } from './safetensors.js'
import { type CheckpointState, parseState, stateText } from './state.js'
import {
  CHECKPOINTS,
  hiddenName,
  latestCheckpoint,
  listCheckpoints,
  removeCheckpoint,
  removeLeftovers,
  stepName,
} from './steps.js'

export type { CheckpointState } from './state.js'
export { latestCheckpoint } from './steps.js'

export interface NamedTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: Float32Array
}

/** What a run holds: what it began with, which never changes, and what its steps changed. */
export interface CheckpointTensors {
  readonly initial: readonly NamedTensor[]
  readonly displacement: readonly NamedTensor[]
}

const INITIAL = 'initial.safetensors'
const DISPLACEMENT = 'displacement.safetensors'
const STATE = 'state.json'

/**
 * Writes `checkpoints/step-N/` in a run folder: beside, flushed, then renamed, so that a run killed at any moment
 * leaves only whole checkpoints. The initial weights are on disk once: later checkpoints link to the first's file.
 * Older checkpoints beyond the newest `keep` are removed once this one is safe. One writer a run folder.
 *
 * A whole checkpoint of the same step and run is kept as it is: equal runs have equal weights.
 *
 * @returns the checkpoint's path
 * @throws SaddleError DISK if the disk is full or cannot be written; earlier checkpoints are then intact and
 *   nothing of this one is left
 */
export async function writeCheckpoint(
  dir: string,
  state: CheckpointState,
  tensors: CheckpointTensors,
  keep: number,
): Promise<string> {
  const parent = join(dir, CHECKPOINTS)
  const name = stepName(state.step)
  const target = join(parent, name)
  try {
    await mkdir(parent, { recursive: true })
    await removeLeftovers(parent)
    if (!(await holds(target, state))) {
      const temporary = join(parent, hiddenName('writing', name))
      try {
        await mkdir(temporary)
        // What stands in this one's place is damaged, or another run's: nothing is taken over from it.
        const inTheWay = await exists(target)
        await writeFiles(temporary, inTheWay ? null : await latestCheckpoint(dir), state, tensors)
        if (inTheWay) await removeCheckpoint(parent, name)
        await rename(temporary, target)
      } catch (error) {
        await discard(temporary)
        throw error
      }
      await syncFolder(parent)
    }
    const old = (await listCheckpoints(parent)).filter(path => path !== target)
    for (const path of old.slice(Math.max(1, keep) - 1))
      await removeCheckpoint(parent, basename(path))
  } catch (error) {
    throw diskError(
      error,
      `the checkpoint of step ${state.step} to ${parent}, about ${bytesOf(tensors)} bytes`,
      `Earlier checkpoints are intact, and nothing of this one is left. Put that right, then go on with \`saddle resume ${dir}\`.`,
    )
  }
  return target
}

/**
 * Reads a checkpoint, every file of it checked against its hash.
 *
 * @throws SaddleError CHECKPOINT that names the damaged file, the expected and the actual hash, and the earlier
 *   checkpoint to fall back to, if one is intact
 */
export async function readCheckpoint(path: string): Promise<{
  state: CheckpointState
  initial: Map<string, NamedTensor>
  displacement: Map<string, NamedTensor>
}> {
  try {
    await verify(path, await readManifest(path))
    const state = join(path, STATE)
    return {
      state: parseState(state, await readFile(state, 'utf8')),
      initial: await readFloats(join(path, INITIAL)),
      displacement: await readFloats(join(path, DISPLACEMENT)),
    }
  } catch (error) {
    if (!(error instanceof SaddleError)) throw error
    throw new SaddleError(error.code, `${error.message} ${await adviceFor(path)}`, {
      ...error.fields,
      checkpoint: path,
    })
  }
}

async function writeFiles(
  folder: string,
  previous: string | null,
  state: CheckpointState,
  { initial, displacement }: CheckpointTensors,
): Promise<void> {
  const text = stateText(state)
  const files: Record<string, FileRecord> = {
    [INITIAL]: await placeInitial(join(folder, INITIAL), previous, initial),
    [DISPLACEMENT]: await writeSynced(join(folder, DISPLACEMENT), handle =>
      writeSafetensors(handle, displacement),
    ),
    [STATE]: { bytes: Buffer.byteLength(text), sha256: sha256Of(text) },
  }
  await writeSynced(join(folder, STATE), handle => handle.writeFile(text))
  await writeSynced(join(folder, MANIFEST), handle =>
    handle.writeFile(manifestText({ format: FORMAT, files })),
  )
  await syncFolder(folder)
}

/** Links to the previous checkpoint's file if it is the same, where the file system has links; else writes it. */
async function placeInitial(
  file: string,
  previous: string | null,
  initial: readonly NamedTensor[],
): Promise<FileRecord> {
  if (previous !== null) {
    const record = await writeSafetensors(null, initial)
    if (await linked(join(previous, INITIAL), file, record)) return record
  }
  return writeSynced(file, handle => writeSafetensors(handle, initial))
}

async function linked(from: string, to: string, { bytes, sha256 }: FileRecord): Promise<boolean> {
  try {
    const { files } = await readManifest(dirname(from))
    if (files[INITIAL]?.sha256 !== sha256 || (await stat(from)).size !== bytes) return false
    await link(from, to)
    return true
  } catch {
    // Damaged, gone, or a file system without links: the file is written anew.
    return false
  }
}

/** Is this a whole checkpoint of the same run and step? */
async function holds(path: string, state: CheckpointState): Promise<boolean> {
  try {
    const found = (await readCheckpoint(path)).state
    return found.configHash === state.configHash && found.dataHash === state.dataHash
  } catch {
    return false
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function readFloats(file: string): Promise<Map<string, NamedTensor>> {
  const { tensors } = await readSafetensors(file)
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      if (data instanceof Float32Array) return [name, { name, shape, data }]
      throw new SaddleError('CHECKPOINT', `${file}: tensor "${name}" is not float32.`, {
        file,
        name,
      })
    }),
  )
}

/** Which earlier checkpoint a damaged one can be replaced by: the newest that is whole. */
async function adviceFor(path: string): Promise<string> {
  const all = await listCheckpoints(dirname(path))
  const here = all.findIndex(other => basename(other) === basename(path))
  for (const earlier of all.slice(here + 1)) {
    const whole = await readManifest(earlier)
      .then(manifest => verify(earlier, manifest))
      .then(
        () => true,
        () => false,
      )
    if (whole)
      return `The newest whole checkpoint before it is ${basename(earlier)}: remove the folder ${path} and resume, and the run goes on from there.`
  }
  return 'There is no earlier whole checkpoint: restore this one from a copy, or begin the run anew.'
}

function bytesOf({ initial, displacement }: CheckpointTensors): number {
  return [...initial, ...displacement].reduce((sum, { data }) => sum + data.byteLength, 0)
}
