import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SaddleError } from '@saddle/core'

/** What a program said; `status` is null if it could not be started or was killed. */
export interface ToolResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Where a shell would find `name`; null if nowhere on PATH. */
export function findProgram(name: string): string | null {
  const candidates = name.includes('/')
    ? [name]
    : (process.env.PATH ?? '')
        .split(delimiter)
        .map(folder => join(folder === '' ? '.' : folder, name))
  return candidates.find(isExecutable) ?? null
}

/** @throws SaddleError CONFIG, with what to install, if `name` is not on PATH. */
export function requireProgram(name: string, advice: string): void {
  if (findProgram(name) !== null) return
  throw new SaddleError('CONFIG', `${name} is not on PATH. ${advice}`, { program: name })
}

/** Runs a program to its end, with at most `seconds` to do so. */
export function runTool(name: string, args: readonly string[], seconds = 60): ToolResult {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    encoding: 'utf8',
    timeout: 1000 * seconds,
    maxBuffer: 1 << 28,
  })
  return { status, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error?.message ?? ''}`.trim() }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
