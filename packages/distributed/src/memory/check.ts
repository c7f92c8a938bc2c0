import { totalmem } from 'node:os'
import type { DataSplit, NetworkSpec } from '@saddle/core'
import { SaddleError } from '@saddle/core'
import type { Config } from '../config/schema.js'
import type { Device } from '../devices/device.js'
import { largestWidth, type MemoryQuestion, type MemoryRoom, planMemory } from './plan.js'

/** Bytes of every card that a run computes on, by the card's name; null where it does not say. */
export type CardMemory = ReadonlyMap<string, number | null>

/** What a run asks of memory, its `compute.update` resolved. */
export function memoryQuestion(
  { descent, compute, attack, monitor }: Config,
  network: NetworkSpec,
  { train, test }: DataSplit,
  devices: readonly Device[],
): MemoryQuestion {
  const batch = descent.batch === 'full' ? train.count : Math.min(descent.batch, train.count)
  return {
    network,
    examples: train.count,
    batch,
    testExamples: test?.count ?? 0,
    shard: compute.shard,
    window: compute.window,
    split: compute.split,
    update: compute.update === 'device' ? 'device' : 'host',
    attack,
    comparator: monitor.comparator !== null,
    devices,
  }
}

/** Bytes that this process may use: the machine's, or what a container was given of them. */
function usableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem()
}

/** Bytes that a room has; null if nobody knows. */
export function roomBytes({ name }: MemoryRoom, cards: CardMemory): number | null {
  return name === 'machine' ? usableMemory() : (cards.get(name) ?? null)
}

/** Processes of a job, this one among them, that share the memory of its machine, and that of each of its cards. */
export interface Sharers {
  readonly machine: number
  readonly card: number
}

/**
 * Compares a run with the memory there is, before any of it is taken. Ranks that share a memory take equal parts of it, but
 * for a slice of neurons.
 *
 * @returns warnings, for memories that the plan's estimate exceeds.
 * @throws SaddleError CONFIG if arrays whose size is exactly known exceed one, with the largest width that fits.
 */
export function checkMemory(
  question: MemoryQuestion,
  cards: CardMemory,
  sharers: Sharers = { machine: 1, card: 1 },
): string[] {
  return planMemory(question).rooms.flatMap(room => {
    const all = roomBytes(room, cards)
    if (all === null) return []
    const ranks = room.name === 'machine' ? sharers.machine : sharers.card
    const bytes = Math.floor(all / ranks)
    if (room.total <= bytes) return []
    const refused = room.exact > bytes
    const needed = `${gibibytes(refused ? room.exact : room.total)} GiB at network.width ${question.network.width}`
    const name = room.name === 'machine' ? 'this machine' : room.name
    const where =
      ranks === 1
        ? `the memory of ${name}`
        : `the share of each of ${ranks} ranks in the memory of ${name}`
    const width = largestWidth(question, room.name, bytes)
    const advice =
      width === 0
        ? 'no width fits it as configured'
        : `the largest width that fits it is about ${width}`
    if (refused)
      throw new SaddleError(
        'CONFIG',
        `The run's arrays take ${needed}, and ${where} is ${gibibytes(bytes)} GiB: ${advice}. Lower network.width, ` +
          'data.count, compute.shard, or the number of workers or ranks on it; `saddle plan` says what takes how much.',
        { room: room.name, bytes: room.exact, available: bytes, largestWidth: width },
      )
    return [
      `memory: about ${needed} may be needed, and ${where} is ${gibibytes(bytes)} GiB; ${advice}. See \`saddle plan\`.`,
    ]
  })
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toPrecision(3)
}
