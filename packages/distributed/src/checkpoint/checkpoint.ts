import { link, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { alone, type Ranks } from '../ranks/ranks.js'
import type { Range } from '../replica/shards.js'
import { discard, diskError, syncFolder, writeSynced } from '../run/files.js'
import {
  FORMAT,
  FORMAT_OF_PARTS,
  MANIFEST,
  manifestText,
  readManifest,
  sha256Of,
  verify,
} from './manifest.js'
import { partName, partsOf, readParts } from './parts.js'
import { type FileRecord, writeSafetensors } from './safetensors.js'
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
  /** Rows that this rank alone holds, and writes. */
  readonly isPart?: boolean
}

/** What a run holds: what it began with, which never changes, and what its steps changed. */
export interface CheckpointTensors {
  readonly initial: readonly NamedTensor[]
  readonly displacement: readonly NamedTensor[]
}

const INITIAL = 'initial'
const DISPLACEMENT = 'displacement'
const STATE = 'state.json'

/**
 * Writes `checkpoints/step-N/` in a run folder: beside, flushed, then renamed, so that a run killed at any moment
 * leaves only whole checkpoints. Every rank writes its share of the rows to files of its own, and once all are on the
 * disk rank 0 writes the manifest that names them all, and renames. The initial weights are on disk once: later
 * checkpoints of as many ranks link to the first's files. Older checkpoints beyond the newest `keep` are removed once
 * this one is safe. One job a run folder.
 *
 * A whole checkpoint of the same step and run is kept as it is: equal runs have equal weights.
 *
 * @param state of rank 0
 * @returns the checkpoint's path
 * @throws SaddleError DISK, on all ranks, if the disk of one is full or cannot be written; earlier checkpoints are then
 *   intact and nothing of this one is left
 */
export async function writeCheckpoint(
  dir: string,
  state: CheckpointState,
  tensors: CheckpointTensors,
  keep: number,
  ranks: Ranks = alone(),
): Promise<string> {
  const parent = join(dir, CHECKPOINTS)
  const name = stepName(state.step)
  const target = join(parent, name)
  const what = `the checkpoint of step ${state.step} to ${parent}, about ${bytesOf(tensors)} bytes`
  const advice = `Earlier checkpoints are intact, and nothing of this one is left. Put that right, then go on with \`saddle resume ${dir}\`.`
  const onDisk = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw diskError(error, what, advice)
    }
  }
  const temporary = await ranks.fromFirst(() => onDisk(() => begin(parent, name, state)))
  if (temporary !== null) {
    try {
      const own = await ranks.together(() =>
        onDisk(() => writeOwnFiles(dir, temporary, target, tensors, ranks)),
      )
      const all = await ranks.gatherTexts(JSON.stringify(own))
      const files = Object.assign({}, ...all.map(text => JSON.parse(text))) as Files
      await ranks.fromFirst(() => onDisk(() => commit(temporary, target, state, files)))
    } catch (error) {
      if (ranks.isFirst) await discard(temporary)
      throw error
    }
  }
  await ranks.fromFirst(() => onDisk(() => removeOld(target, keep)))
  return target
}

type Files = Record<string, FileRecord>

/** A folder to write to; null if the checkpoint is there already. */
async function begin(parent: string, name: string, state: CheckpointState): Promise<string | null> {
  await mkdir(parent, { recursive: true })
  await removeLeftovers(parent)
  if (await holds(join(parent, name), state)) return null
  const temporary = join(parent, hiddenName('writing', name))
  await mkdir(temporary)
  return temporary
}

/** This rank's share of the rows, and what the files are known by. */
async function writeOwnFiles(
  dir: string,
  folder: string,
  target: string,
  { initial, displacement }: CheckpointTensors,
  { rank, size }: Ranks,
): Promise<Files> {
  // What stands in this one's place is damaged, or another run's: nothing is taken over from it.
  const previous = (await exists(target)) ? null : await latestCheckpoint(dir)
  const [first, changed] = [INITIAL, DISPLACEMENT].map(stem => partName(stem, rank, size))
  return {
    [first!]: await placeInitial(join(folder, first!), previous, partsOf(initial, rank, size)),
    [changed!]: await writeSynced(join(folder, changed!), handle =>
      writeSafetensors(handle, partsOf(displacement, rank, size)),
    ),
  }
}

/** Writes what is written once, and gives the folder its name. */
async function commit(
  folder: string,
  target: string,
  state: CheckpointState,
  parts: Files,
): Promise<void> {
  const text = stateText(state)
  const files = { ...parts, [STATE]: { bytes: Buffer.byteLength(text), sha256: sha256Of(text) } }
  const format = Object.keys(files).length === 3 ? FORMAT : FORMAT_OF_PARTS
  await writeSynced(join(folder, STATE), handle => handle.writeFile(text))
  await writeSynced(join(folder, MANIFEST), handle =>
    handle.writeFile(manifestText({ format, files })),
  )
  await syncFolder(folder)
  const parent = dirname(target)
  if (await exists(target)) await removeCheckpoint(parent, basename(target))
  await rename(folder, target)
  await syncFolder(parent)
}

async function removeOld(target: string, keep: number): Promise<void> {
  const parent = dirname(target)
  const old = (await listCheckpoints(parent)).filter(path => path !== target)
  for (const path of old.slice(Math.max(1, keep) - 1))
    await removeCheckpoint(parent, basename(path))
}

/**
 * Reads a checkpoint, every file of it checked against its hash.
 *
 * @param held of tensors that have a row a neuron, read only these: memory for others is not taken
 * @throws SaddleError CHECKPOINT that names the damaged file, the expected and the actual hash, and the earlier
 *   checkpoint to fall back to, if one is intact
 */
export async function readCheckpoint(
  path: string,
  held?: Range,
): Promise<{
  state: CheckpointState
  initial: Map<string, NamedTensor>
  displacement: Map<string, NamedTensor>
}> {
  try {
    const manifest = await readManifest(path)
    await verify(path, manifest)
    const state = join(path, STATE)
    return {
      state: parseState(state, await readFile(state, 'utf8')),
      initial: await readParts(path, manifest, INITIAL, held),
      displacement: await readParts(path, manifest, DISPLACEMENT, held),
    }
  } catch (error) {
    if (!(error instanceof SaddleError)) throw error
    throw new SaddleError(error.code, `${error.message} ${await adviceFor(path)}`, {
      ...error.fields,
      checkpoint: path,
    })
  }
}

/** Links to the previous checkpoint's file if it is the same, where the file system has links; else writes it. */
async function placeInitial(
  file: string,
  previous: string | null,
  initial: readonly NamedTensor[],
): Promise<FileRecord> {
  if (previous !== null) {
    const record = await writeSafetensors(null, initial)
    if (await linked(join(previous, basename(file)), file, record)) return record
  }
  return writeSynced(file, handle => writeSafetensors(handle, initial))
}

async function linked(from: string, to: string, { bytes, sha256 }: FileRecord): Promise<boolean> {
  try {
    const { files } = await readManifest(dirname(from))
    if (files[basename(from)]?.sha256 !== sha256 || (await stat(from)).size !== bytes) return false
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
    await verify(path, await readManifest(path))
    const file = join(path, STATE)
    const found = parseState(file, await readFile(file, 'utf8'))
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
