import { createProgram } from './commands/program.js'
import { exitCodeOf, isSaddleError, isSilenced } from './exit.js'
import { processTerminal, type Terminal } from './terminal.js'

/**
 * Runs the `saddle` command and returns the code to exit with (README, "The command"). Errors are told on stderr in one
 * paragraph; their stack only with SADDLE_DEBUG=1.
 *
 * @param args what follows the command's name: `['train', 'config.yaml']`.
 */
export async function main(
  args: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    const code = exitCodeOf(error)
    if (!isCommander(error) && !isSilenced(error)) tell(error, terminal)
    return code
  }
}

function tell(error: unknown, { err }: Terminal): void {
  const stopped = isSaddleError(error) && error.code === 'STOPPED'
  const label = stopped ? err.colours.yellow('stopped:') : err.colours.red('error:')
  err.write(`${label} ${error instanceof Error ? error.message : String(error)}\n`)
  if (process.env.SADDLE_DEBUG === '1' && error instanceof Error) err.write(`${error.stack}\n`)
  else if (!isSaddleError(error))
    err.write('This is a defect in Saddle; SADDLE_DEBUG=1 shows where it happened.\n')
}

/** Commander has told its own errors already. */
function isCommander(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')
}
