import { parentPort } from 'node:worker_threads'
import { SaddleError } from '@saddle/core'
import type { ArrivedMessage } from '../pool/messages.js'
import { brokenUp, STATE, type Team, WORD } from './team.js'

/**
 * Where the members of a team wait for each other: nobody leaves before all have come. The last one to come looks at
 * the run's stop flag and decides for all, so that they stop at the same pass. Where other ranks' teams wait too, it
 * leaves both to the thread that speaks to them (`relay`), which then opens the barrier.
 */
export class Barrier {
  readonly #words: Team['words']
  readonly #members: number
  readonly #stop: Int32Array<SharedArrayBuffer>
  readonly #isOneRank: boolean

  /** @param stop [0] is 1 once the run is to stop. */
  constructor({ words, nodes }: Team, members: number, stop: Int32Array<SharedArrayBuffer>) {
    this.#words = words
    this.#members = members
    this.#stop = stop
    this.#isOneRank = nodes.length === 1
  }

  /**
   * @param length of the sum that is waited for.
   * @param complete done by the last one to come, before anybody leaves.
   * @throws SaddleError STOPPED in all members at once; WORKER if the team was broken up.
   */
  wait(length: number, complete: () => void): void {
    const words = this.#words
    const round = Atomics.load(words, WORD.round)
    this.#requireTeam()
    if (Atomics.add(words, WORD.arrived, 1) + 1 === this.#members) {
      Atomics.store(words, WORD.arrived, 0)
      complete()
      if (this.#isOneRank) open(words, Atomics.load(this.#stop, 0) === 1)
      else announce(words, round, length)
    }
    while (Atomics.load(words, WORD.round) === round) Atomics.wait(words, WORD.round, round)
    this.#requireTeam()
    if (Atomics.load(words, WORD.state) === STATE.stopped)
      throw new SaddleError('STOPPED', 'The attack was stopped between two passes, on request.')
  }

  #requireTeam(): void {
    if (Atomics.load(this.#words, WORD.state) === STATE.broken) throw brokenUp()
  }
}

/** Lets all members go on, or stop. */
export function open(words: Team['words'], stops: boolean): void {
  if (stops) Atomics.compareExchange(words, WORD.state, STATE.running, STATE.stopped)
  Atomics.add(words, WORD.round, 1)
  Atomics.notify(words, WORD.round)
}

/** Tells the thread that speaks to other ranks that this rank's parts of a sum are there. */
function announce(words: Team['words'], round: number, length: number): void {
  Atomics.store(words, WORD.length, length)
  Atomics.store(words, WORD.waiting, round + 1)
  // A message, because the thread that is to hear of it must not sleep.
  const message: ArrivedMessage = { saddleArrived: true }
  parentPort!.postMessage(message)
}
