import type { PlannedMemory } from '../commands/plan.js'
import { bytes } from '../format.js'
import type { Terminal } from '../terminal.js'

/** What training takes at a width: what is held once, what each worker holds, and the width that fits. */
export function describeMemory(memory: PlannedMemory, { out }: Terminal): string {
  const { bold, dim, yellow } = out.colours
  const { width, shared, worker, workers, total, usable, largestWidth } = memory
  const line = (part: PlannedMemory['shared'][number]) =>
    `  ${part.name.padEnd(9)} ${bytes(part.bytes).padStart(10)}  ${dim(part.note)}`
  const fits =
    total <= usable
      ? `${bytes(usable)} can be used`
      : yellow(`only ${bytes(usable)} can be used: it does not fit`)
  return `${[
    bold(`Memory at width ${width.toLocaleString('en-US')}: ${bytes(total)}; ${fits}`),
    'held once:',
    ...shared.map(line),
    `held by each of ${workers} workers:`,
    ...worker.map(line),
    `The largest width that fits is ${largestWidth.toLocaleString('en-US')}.`,
  ].join('\n')}\n`
}
