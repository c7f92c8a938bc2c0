import { SaddleError } from '@saddle/core'
import type { Logger } from 'winston'
import { allSettledOrThrow } from '../coordinator/settled.js'
import { createSlots } from '../devices/slots.js'
import { MappedMemory } from '../memory/mapped.js'
import { bytesOfArrays, describeArrays, moveArrays } from '../memory/move.js'
import type { Host } from '../pool/messages.js'
import { describe, WorkerPool } from '../pool/pool.js'
import { blockSize, blocksFor, cleanBlocks, openRanges, searchBlocks } from './blocks.js'
import { costOf, joinClean } from './collected.js'
import { targetsFor } from './criterion.js'
import type { EvaluateOptions } from './evaluate.js'
import { labelsOf } from './labels.js'
import type { EvaluationJob } from './messages.js'
import { WorkProgress } from './progress.js'
import type { Resolved } from './resolve.js'
import type { Store } from './store.js'

/**
 * Does what is not in the store yet: the model without an attack on all examples, then attack after attack.
 *
 * @throws SaddleError STOPPED if it was asked to stop; what is finished is in the store. WORKER, DISK, NUMERIC.
 */
export async function workOff(
  { job, chosen, subject }: Resolved,
  store: Store,
  options: EvaluateOptions,
  logger: Logger,
): Promise<void> {
  const block = blockSize(job.order.length)
  const { signal, shard = block, onEvent = () => {} } = options
  if (signal?.aborted !== true && isFinished(store, job.order.length)) {
    setTargets(job, store, subject.outputs)
    return
  }
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const signals = { stop }
  const onAbort = () => Atomics.store(signals.stop, 0, 1)
  // A copy, whose arrays move to memory that processes share: the job's own outlive it.
  const posted = { ...job }
  using memory = chosen.devices.some(device => device.process !== null)
    ? share([posted, signals])
    : null
  const n = job.order.length
  const labels = labelsOf(job.attacks)
  const progress = new WorkProgress(
    [
      { name: 'clean', cost: 1, examples: n },
      ...job.attacks.map((attack, a) => ({
        name: labels[a]!,
        cost: costOf(attack, job.radii.length),
        examples: n,
      })),
    ],
    onEvent,
  )
  const host: Host = {
    progress: (slot, done, total) => progress.inside(slot, done / total),
    ready: (slot, device, lane) => void logger.info('worker ready', { slot, device, ...lane }),
  }
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort)
  try {
    await using pool = new WorkerPool(
      describeArrays({
        devices: chosen.devices,
        slots: createSlots(chosen.devices.length),
        memory: memory && { address: memory.address, bytes: memory.bytes, fd: memory.fd },
        deadline: DEADLINE,
        laneFile: options.laneFile?.href ?? null,
        heapMiB: null,
        stop: signals.stop,
        evaluation: posted,
      }),
      {
        workers: chosen.devices.length,
        retries: RETRIES,
        host,
        onLost: (task, reason, attempt) => {
          logger.warn('worker lost', { task: describe(task), reason, attempt })
          onEvent({ kind: 'worker-lost', reason, task: describe(task), attempt })
        },
        ...(options.workerFile === undefined ? {} : { workerFile: options.workerFile }),
      },
    )
    const each = async (
      stage: number,
      done: (block: number) => boolean,
      work: (range: { start: number; stop: number }) => Promise<void>,
    ) => {
      const ranges = openRanges(n, shard, done)
      progress.begin(stage, n - ranges.reduce((sum, r) => sum + r.stop - r.start, 0))
      await allSettledOrThrow(
        ranges.map(async range => {
          requireGoOn(signals.stop)
          await work(range)
          progress.finished(stage, range.stop - range.start)
        }),
      )
    }
    await each(
      0,
      place => store.clean.has(place),
      async range => {
        const reply = await pool.run({ kind: 'clean', ...range })
        for (const [place, part] of cleanBlocks(range.start, reply, block))
          await store.putClean(place, part)
      },
    )
    setTargets(job, store, subject.outputs)
    posted.targets.set(job.targets)
    for (const attack of job.attacks.keys())
      await each(
        attack + 1,
        place => store.searches[attack]!.has(place),
        async range => {
          const reply = await pool.run({ kind: 'search', attack, ...range })
          for (const [place, part] of searchBlocks(range.start, reply, block))
            await store.putSearch(attack, place, part)
        },
      )
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

function isFinished({ clean, searches }: Store, examples: number): boolean {
  const blocks = blocksFor(examples)
  return clean.size === blocks && searches.every(found => found.size === blocks)
}

/** The label that each example should be given, once the clean pass is done. */
function setTargets(
  { criterion, order, data, targets }: EvaluationJob,
  store: Store,
  outputs: number,
) {
  if (criterion.kind !== 'targeted') return
  const { leastLikely } = joinClean(store.clean, order.length)
  const labels = Array.from(order, e => data.labels[e]!)
  targets.set(targetsFor(criterion, labels, leastLikely, outputs))
}

/** Times a task is done again after its worker died. */
const RETRIES = 3
/** Seconds without a sign of life after which a process of a device is given up. */
const DEADLINE = 300

function requireGoOn(stop: Int32Array): void {
  if (Atomics.load(stop, 0) === 1)
    throw new SaddleError('STOPPED', 'The evaluation was stopped on request.')
}

/** Moves all that workers see into memory that processes share. */
function share(parts: readonly object[]): MappedMemory {
  const memory = MappedMemory.create(bytesOfArrays(parts))
  moveArrays(parts, memory)
  return memory
}
