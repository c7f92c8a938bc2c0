import { requireBackend, SaddleError, toWire, useBackend } from '@saddle/core'
import koffi from 'koffi'
import type { Device } from '../devices/device.js'
import { MappedMemory } from '../memory/mapped.js'
import { findArrays } from '../memory/move.js'
import { type Executor, executorOf } from '../pool/executor.js'
import type { AnySetup, Task } from '../pool/messages.js'
import type { Answer, LaneSetup, Opened, Order, Probed } from './protocol.js'

/** The file descriptor under which a process finds the memory it shares with its parent; 0 to 3 are pipes. */
const MEMORY_FD = 4

/**
 * Serves the worker thread that started this process, until that thread ends or the channel to it closes: orders come
 * by it one at a time, each has one answer.
 *
 * @param before is called with every task first; tests fail in it.
 */
export function serve(before: (task: Task) => void = () => {}): void {
  let executor: Executor | undefined
  dieWithParent()
  process.on('disconnect', () => process.exit())
  process.on('message', async (order: Order) => {
    try {
      if (order.kind === 'open') executor = await open(order.setup, order.device)
      if (order.kind === 'run') before(order.task)
      const value =
        order.kind === 'open'
          ? opened()
          : order.kind === 'probe'
            ? await probe(order.device)
            : requireOpen(executor).run(order.task)
      answer({ kind: 'done', value })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      answer({ kind: 'failed', message, wire: toWire(error) })
    }
  })
}

async function open(setup: LaneSetup, device: Device): Promise<Executor> {
  await useDevice(device)
  const memory = MappedMemory.inherited(MEMORY_FD, setup.memory!.bytes)
  const found = findArrays(setup, memory)
  return executorOf(found as AnySetup, (done, total) => answer({ kind: 'progress', done, total }))
}

function opened(): Opened {
  return { pid: process.pid, visible: process.env.CUDA_VISIBLE_DEVICES ?? null }
}

async function probe(device: Device): Promise<Probed> {
  await useDevice(device)
  const backend = requireBackend(device.backend)
  return { found: backend.found?.() ?? null, devices: backend.devices?.() ?? [] }
}

async function useDevice({ backend, ordinal }: Device): Promise<void> {
  await useBackend(backend, ordinal ?? undefined)
}

function requireOpen(executor: Executor | undefined): Executor {
  if (executor === undefined) throw new SaddleError('WORKER', 'A task came before its setup.')
  return executor
}

function answer(message: Answer): void {
  // A parent that is gone wants no answer; this process ends with the event that says so.
  if (process.connected) process.send!(message, () => {})
}

/** On Linux, has the system kill this process when the thread that started it ends, even if this one is stuck. */
function dieWithParent(): void {
  if (process.platform !== 'linux') return
  const PR_SET_PDEATHSIG = 1
  const SIGKILL = 9
  const prctl = koffi
    .load(null)
    .func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
}
