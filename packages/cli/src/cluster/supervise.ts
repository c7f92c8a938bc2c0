import { SaddleError } from '@saddle/core'
import type { Host } from './hosts.js'
import type { Probed } from './probe.js'

/** What a supervisor does to the world; a seam, so that its decisions are tested without hosts. */
export interface Launcher {
  probe(): Promise<readonly Probed[]>
  /** Starts ranks on these hosts and waits for their end; its exit code. */
  launch(hosts: readonly Host[]): Promise<number>
  /** Something that changes when a new checkpoint is there. */
  progress(): Promise<string>
  pause(seconds: number): Promise<void>
  note(text: string): void
  /** A stop was asked for. */
  stopping(): boolean
}

export interface Patience {
  /** Failures in a row, without a new checkpoint between them, that are tried again. */
  readonly retries: number
  /** Seconds of the first pause; they double. */
  readonly backoff: number
}

/**
 * Starts a job and starts it again when it fails, each time on the hosts that answer then, so that it goes on without
 * one that was lost and with it when it is back. A checkpoint is resumed by any number of ranks.
 *
 * @returns 0 done, 2 wrong usage, 75 saved on request.
 * @throws SaddleError WORKER after too many failures in a row.
 */
export async function supervise(
  launcher: Launcher,
  { retries, backoff }: Patience,
): Promise<number> {
  let failures = 0
  let before = await launcher.progress()
  for (;;) {
    const hosts = await hostsLeft(launcher)
    const code = hosts.length === 0 ? null : await launcher.launch(hosts)
    if (code === 0 || code === 2 || code === 75) return code
    // mpirun has a code of its own for ranks that were asked to end.
    if (launcher.stopping()) return 75
    const now = await launcher.progress()
    if (now !== before) failures = 0
    before = now
    const what = code === null ? 'no host answers' : `ended with ${code}`
    if (++failures > retries)
      throw new SaddleError(
        'WORKER',
        `The job failed ${failures} times in a row without a new checkpoint; last: ${what}. See its output above; ` +
          'the same command goes on from the last checkpoint.',
        { failures, code },
      )
    const seconds = backoff * 2 ** (failures - 1)
    launcher.note(`${what}; try ${failures} of ${retries} in ${seconds} s`)
    await launcher.pause(seconds)
    if (launcher.stopping()) return 75
  }
}

async function hostsLeft(launcher: Launcher): Promise<readonly Host[]> {
  const probed = await launcher.probe()
  for (const { host, problem } of probed)
    if (problem !== null) launcher.note(`going on without ${host.name}: ${problem}`)
  return probed.filter(({ problem }) => problem === null).map(({ host }) => host)
}
