import type { SaddleError } from '@saddle/core'
import { CommanderError } from 'commander'

/** Exit codes of the command. 75 is EX_TEMPFAIL of sysexits.h: nothing is wrong, run it again. */
const exitCodes = { done: 0, failed: 1, usage: 2, stopped: 75 } as const

/** Errors that a user mends on the command line or in the configuration; nothing was trained yet. */
const USAGE: ReadonlySet<string> = new Set(['CONFIG', 'RANGE', 'INCOMPATIBLE', 'BACKEND'])

/** The code to exit with after `error`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (!isSaddleError(error)) return exitCodes.failed
  if (error.code === 'STOPPED') return exitCodes.stopped
  return USAGE.has(error.code) ? exitCodes.usage : exitCodes.failed
}

const silenced = new WeakSet<object>()

/** Leaves the telling of an error to another process, that has it too. */
export function silence(error: unknown): void {
  if (typeof error === 'object' && error !== null) silenced.add(error)
}

/** Whether an error is another process's to tell. */
export function isSilenced(error: unknown): boolean {
  return typeof error === 'object' && error !== null && silenced.has(error)
}

/** By name and not by class, so that asking does not load the packages that own the class. */
export function isSaddleError(error: unknown): error is SaddleError {
  return error instanceof Error && error.name === 'SaddleError' && 'code' in error
}
