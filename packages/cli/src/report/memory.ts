import type { PlannedRoom, RunPlan } from '@saddle/distributed'
import { bytes, passesPhrase } from '../format.js'
import type { Terminal } from '../terminal.js'

/** What training takes of every memory at a width, and the widths that fit. */
export function describeMemory(plan: RunPlan, terminal: Terminal): string {
  const { bold } = terminal.out.colours
  const { width, devices, split, rooms, largestWidth, cost } = plan
  return `${[
    bold(`Memory at width ${figure(width)} on ${listed(devices)}, which split ${split}`),
    ...rooms.flatMap(room => describeRoom(room, terminal)),
    largestWidth === null || rooms.length === 1
      ? ''
      : `The largest width that fits all of them is ${figure(largestWidth)}.`,
    cost === null
      ? ''
      : `Training takes at most ${passesPhrase(cost.perStep)}, ${figure(cost.passes)} in all.`,
  ]
    .filter(line => line !== '')
    .join('\n')}\n`
}

function describeRoom(
  { name, parts, total, available, largestWidth }: PlannedRoom,
  { out }: Terminal,
) {
  const { dim, yellow } = out.colours
  const there = available === null ? 'it does not say what it has' : `of ${bytes(available)}`
  const full = available !== null && total > available ? yellow(': it does not fit') : ''
  return [
    `${name}: ${bytes(total)} ${there}${full}`,
    ...parts.map(
      part =>
        `  ${part.name.padEnd(9)} ${`${part.exact ? '' : '≈ '}${bytes(part.bytes)}`.padStart(12)}  ${dim(part.note)}`,
    ),
    ...(largestWidth === null ? [] : [`  The largest width that fits is ${figure(largestWidth)}.`]),
  ]
}

function figure(width: number): string {
  return width.toLocaleString('en-US')
}

/** Names with how often they occur: `2 × cuda:0, blas`. */
function listed(names: readonly string[]): string {
  return [...new Set(names)]
    .map(name => {
      const count = names.filter(other => other === name).length
      return count === 1 ? name : `${count} × ${name}`
    })
    .join(', ')
}
