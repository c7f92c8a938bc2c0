import { MessageChannel, parentPort, threadId, workerData } from 'node:worker_threads'
import { SaddleError, toWire, useBackend } from '@saddle/core'
import * as Comlink from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { claimSlot } from '../devices/slots.js'
import { Lane } from '../lanes/lane.js'
import { findArrays } from '../memory/move.js'
import { executorOf } from './executor.js'
import type { AnySetup, ChannelMessage, Host, Task } from './messages.js'

/**
 * Runs one task in this worker thread, or in the process that it owns. The first task claims a device slot, starts the
 * backend and opens the Comlink channel: a failure there is the task's, to be reported and tried again, never the thread's at load.
 */
export async function doorbell(task: Task): Promise<unknown> {
  try {
    runner ??= open()
    return await (await runner).run(task)
  } catch (error) {
    const wire = toWire(error)
    if (wire === null) throw error
    // Class and fields don't survive the way to the main thread; a plain cause does.
    throw new Error(wire.message, { cause: wire })
  }
}

/** What does this thread's tasks: a replica in it, or the process that it owns. */
interface Runner {
  run(task: Task): unknown
}

let runner: Promise<Runner> | undefined

async function open(): Promise<Runner> {
  const setup = workerData as AnySetup
  const slot = claimSlot(setup.slots, threadId)
  if (slot < 0)
    throw new SaddleError('WORKER', 'No device slot became free within 30 s.', { threadId })
  const device = setup.devices[slot]!
  const host = openChannel()
  // Nobody waits for the answers: the coordinator may be gone, and a shard must not wait for a progress bar.
  const onProgress = (done: number, total: number) => void host.progress(slot, done, total)
  if (device.process !== null)
    return new Lane(setup, device, {
      onReady: lane => void host.ready(slot, device.id, lane),
      onProgress,
    })
  await useBackend(device.backend, device.ordinal ?? undefined)
  void host.ready(slot, device.id, null)
  const { memory } = setup
  return executorOf(memory === null ? setup : findArrays(setup, memory), onProgress)
}

function openChannel(): Comlink.Remote<Host> {
  const { port1, port2 } = new MessageChannel()
  const message: ChannelMessage = { saddleChannel: port2 }
  parentPort!.postMessage(message, [port2])
  port1.unref()
  return Comlink.wrap<Host>(nodeEndpoint(port1))
}
