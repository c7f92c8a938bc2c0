import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { readSafetensors, type SafeTensor, writeSafetensors } from '../checkpoint/safetensors.js'
import { diskError, writeAtomic, writeJsonAtomic } from '../run/files.js'
import { type Identity, requireSame } from './identity.js'
import type { CleanReply, SearchReply } from './messages.js'

/**
 * What an evaluation has finished, in DIR/state: one safetensors file a block of examples and attack, which is there
 * whole or not at all. Whatever ends the process, what was written counts.
 */
export interface Store {
  /** Blocks that are finished: of the model without an attack, and of each attack. */
  readonly clean: Map<number, CleanReply>
  readonly searches: readonly Map<number, SearchReply>[]
  putClean(block: number, reply: CleanReply): Promise<void>
  /** The points go to the disk and not into `searches`. */
  putSearch(attack: number, block: number, reply: SearchReply): Promise<void>
  /** The points of a finished block: [radius, example, d]. */
  pointsOf(attack: number, block: number): Promise<Float32Array>
}

/**
 * Begins the state of an evaluation, or opens it to go on.
 *
 * @throws SaddleError CONFIG if the folder holds another one, with what differs; DISK if it cannot be written;
 *   CHECKPOINT if a file of it was damaged.
 */
export async function openStore(dir: string, identity: Identity): Promise<Store> {
  const folder = join(dir, 'state')
  await begin(dir, folder, identity)
  const clean = new Map<number, CleanReply>()
  const searches = identity.attacks.map(() => new Map<number, SearchReply>())
  for (const file of await readdir(folder)) {
    const [, name, block] = /^(clean|\d+)-(\d+)\.safetensors$/.exec(file) ?? []
    if (name === undefined) continue
    const tensors = await read(join(folder, file))
    if (name === 'clean') clean.set(Number(block), tensors as unknown as CleanReply)
    else searches[Number(name)]?.set(Number(block), withoutPoints(searchFrom(tensors)))
  }
  const fileOf = (attack: number, block: number) => join(folder, `${attack}-${block}.safetensors`)
  return {
    clean,
    searches,
    async putClean(block, reply) {
      await write(join(folder, `clean-${block}.safetensors`), { ...reply })
      clean.set(block, reply)
    },
    async putSearch(attack, block, reply) {
      const { seconds, ...arrays } = reply
      await write(fileOf(attack, block), { ...arrays, seconds: Float64Array.of(seconds) })
      searches[attack]!.set(block, withoutPoints(reply))
    },
    pointsOf: async (attack, block) => searchFrom(await read(fileOf(attack, block))).points,
  }
}

async function begin(dir: string, folder: string, identity: Identity): Promise<void> {
  const file = join(folder, 'identity.json')
  const before = await readFile(file, 'utf8').catch(() => null)
  if (before !== null) {
    requireSame(dir, identityFrom(file, before), identity)
    return
  }
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw diskError(error, folder, 'Choose another folder with --out.')
  }
  for (const leftover of await readdir(folder)) await rm(join(folder, leftover), { force: true })
  await writeJsonAtomic(file, identity)
}

function identityFrom(file: string, text: string): Identity {
  try {
    return JSON.parse(text) as Identity
  } catch {
    throw new SaddleError(
      'CHECKPOINT',
      `${file} is damaged. Delete its folder to begin the evaluation anew.`,
      { file },
    )
  }
}

type Arrays = Record<string, SafeTensor['data']>

async function write(file: string, arrays: Arrays): Promise<void> {
  const tensors = Object.entries(arrays).map(([name, data]) => ({
    name,
    shape: [data.length],
    data,
  }))
  await writeAtomic(file, async handle => {
    await writeSafetensors(handle, tensors)
  })
}

async function read(file: string): Promise<Arrays> {
  const { tensors } = await readSafetensors(file)
  return Object.fromEntries([...tensors.values()].map(({ name, data }) => [name, data]))
}

function searchFrom({ seconds, ...arrays }: Arrays): SearchReply {
  return { ...arrays, seconds: seconds?.[0] ?? 0 } as unknown as SearchReply
}

function withoutPoints(reply: SearchReply): SearchReply {
  return { ...reply, points: new Float32Array(0) }
}
