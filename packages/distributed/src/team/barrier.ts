import { SaddleError } from '@saddle/core'
import { brokenUp, STATE, type Team, WORD } from './team.js'

/**
 * Where the members of a team wait for each other: nobody leaves before all have come. The last one to come looks at
 * the run's stop flag and decides for all, so that they stop at the same pass.
 */
export class Barrier {
  readonly #words: Team['words']
  readonly #members: number
  readonly #stop: Int32Array<SharedArrayBuffer>

  /** @param stop [0] is 1 once the run is to stop. */
  constructor({ words }: Team, members: number, stop: Int32Array<SharedArrayBuffer>) {
    this.#words = words
    this.#members = members
    this.#stop = stop
  }

  /** @throws SaddleError STOPPED in all members at once; WORKER if the team was broken up. */
  wait(): void {
    const words = this.#words
    const round = Atomics.load(words, WORD.round)
    this.#requireTeam()
    if (Atomics.add(words, WORD.arrived, 1) + 1 === this.#members) this.#open()
    else while (Atomics.load(words, WORD.round) === round) Atomics.wait(words, WORD.round, round)
    this.#requireTeam()
    if (Atomics.load(words, WORD.state) === STATE.stopped)
      throw new SaddleError('STOPPED', 'The attack was stopped between two passes, on request.')
  }

  #open(): void {
    const words = this.#words
    Atomics.store(words, WORD.arrived, 0)
    if (Atomics.load(this.#stop, 0) === 1)
      Atomics.compareExchange(words, WORD.state, STATE.running, STATE.stopped)
    Atomics.add(words, WORD.round, 1)
    Atomics.notify(words, WORD.round)
  }

  #requireTeam(): void {
    if (Atomics.load(this.#words, WORD.state) === STATE.broken) throw brokenUp()
  }
}
