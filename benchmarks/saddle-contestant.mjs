import { readSync, writeSync } from 'node:fs'
import { attackCommands } from './contestants/attack.mjs'
import { evaluateCommand } from './contestants/evaluate.mjs'
import { trainCommand } from './contestants/train.mjs'

/**
 * Saddle's side of a comparison: a process of its own, so that its memory and processor time are its own too. Reads
 * commands as JSON lines from stdin and answers each with a JSON line on stdout, as `peers/torch_peer.py` does.
 * Reading blocks: between two commands nothing runs, also not inside `train`, whose events are where it waits.
 */
let pending = ''

function read() {
  const chunk = Buffer.alloc(1 << 16)
  while (!pending.includes('\n')) {
    const count = readSync(0, chunk)
    if (count === 0) process.exit(0)
    pending += chunk.toString('utf8', 0, count)
  }
  const end = pending.indexOf('\n')
  const command = JSON.parse(pending.slice(0, end))
  pending = pending.slice(end + 1)
  return command
}

function reply(value) {
  let rest = Buffer.from(`${JSON.stringify(value)}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      // The pipe is full: the reader empties it.
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

const commands = {
  ...attackCommands(),
  evaluate: evaluateCommand,
  train: trainCommand({ read, reply }),
}
for (;;) {
  const { op, ...rest } = read()
  try {
    reply(await commands[op](rest))
  } catch (error) {
    reply({ error: error instanceof Error ? error.message : String(error) })
  }
}
