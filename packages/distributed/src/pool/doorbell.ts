import { MessageChannel, parentPort, threadId, workerData } from 'node:worker_threads'
import { SaddleError, toWire, useBackend } from '@saddle/core'
import * as Comlink from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { claimSlot } from '../devices/slots.js'
import { Replica } from '../replica/replica.js'
import type { ChannelMessage, Host, Task, WorkerSetup } from './messages.js'

/**
 * Runs one task in this worker thread. The first task claims a device slot, starts the backend and opens the
 * Comlink channel: a failure there is the task's, to be reported and tried again, never the thread's at load.
 */
export async function doorbell(task: Task): Promise<unknown> {
  try {
    replica ??= open()
    return dispatch(await replica, task)
  } catch (error) {
    const wire = toWire(error)
    if (wire === null) throw error
    // Class and fields don't survive the way to the main thread; a plain cause does.
    throw new Error(wire.message, { cause: wire })
  }
}

let replica: Promise<Replica> | undefined

async function open(): Promise<Replica> {
  const setup = workerData as WorkerSetup
  const slot = claimSlot(setup.slots, threadId)
  if (slot < 0)
    throw new SaddleError('WORKER', 'No device slot became free within 30 s.', { threadId })
  await useBackend(setup.backend)
  const host = openChannel()
  // Nobody waits for the answers: the coordinator may be gone, and a shard must not wait for a progress bar.
  void host.ready(slot, setup.backend)
  return new Replica(setup, (done, total) => void host.progress(slot, done, total))
}

function openChannel(): Comlink.Remote<Host> {
  const { port1, port2 } = new MessageChannel()
  const message: ChannelMessage = { saddleChannel: port2 }
  parentPort!.postMessage(message, [port2])
  port1.unref()
  return Comlink.wrap<Host>(nodeEndpoint(port1))
}

function dispatch(replica: Replica, task: Task): unknown {
  switch (task.kind) {
    case 'attack':
      return replica.attack(task)
    case 'team':
      return replica.attackTogether(task)
    case 'evaluate':
      return replica.evaluate(task)
    case 'combine':
      return replica.combine(task)
    case 'propose':
      return replica.propose(task)
    case 'settle':
      return replica.settle(task)
  }
}
