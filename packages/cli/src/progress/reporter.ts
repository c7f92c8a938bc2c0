import type { TrainEvent } from '@saddle/distributed'
import type { Part } from '../experiment.js'
import { attackName, bytes, passesPhrase } from '../format.js'
import type { Terminal } from '../terminal.js'
import { barReporter } from './bar.js'
import { lineReporter } from './lines.js'

/** Shows people how an experiment is going, on stderr. */
export interface Reporter {
  event(part: Part, event: TrainEvent): void
  /** Something worth a line of its own. */
  note(text: string): void
  /** Leaves the terminal as it was; call it whatever happens. */
  close(): void
}

/** A bar for a person at a terminal, a line every few seconds for a log, nothing with `quiet`. */
export function createReporter({ err }: Terminal, quiet: boolean): Reporter {
  if (quiet) return { event() {}, note() {}, close() {} }
  return err.interactive ? barReporter(err) : lineReporter(err)
}

/** What an event says beyond the numbers that a bar shows; null for most. */
export function remarkOn(part: Part, event: TrainEvent): string | null {
  switch (event.kind) {
    case 'start': {
      const { config, fromStep, workers, ranks, travels, backend, precision, passedOver } = event
      const { split, plan, cost } = event
      const from = fromStep === 0 ? '' : `, from step ${fromStep}`
      const title = part.role === 'baseline' ? 'baseline, trained with' : 'trained with'
      const others = passedOver.map(p => `\n  passed over ${p.name}: ${p.reason}`)
      const rounded =
        precision === 'float32' ? '' : `, the attack in ${precision}, all else in float32`
      const forms = plan.map(
        p =>
          `\n  gradients of ${p.matrix} travel ${p.form === 'dense' ? 'dense' : 'as factors'} ` +
          `(factors ${bytes(p.factorBytes)}, dense ${bytes(p.denseBytes)})`,
      )
      const together = ranks === 1 ? '' : `${ranks} ranks, this one with `
      const sent = travels.map(
        t => `\n  ${MEANS[t.means]} of ${t.matrix}: each rank sends ${bytes(t.bytes)} a step`,
      )
      return (
        `${title} ${attackName(config.attack)}: ${config.descent.steps} steps${from}, ` +
        `${together}${workers} ${workers === 1 ? 'worker' : 'workers'} on ${backend}${rounded}${others.join('')}\n  ` +
        `at most ${passesPhrase(cost.perStep)}\n  ${splitLine(split)}${forms.join('')}${sent.join('')}`
      )
    }
    case 'worker-lost':
      return `a worker was lost on ${event.task} (${event.reason}); doing it again, attempt ${event.attempt}`
    case 'warning':
      return event.message
    default:
      return null
  }
}

/** How gradients get from rank to rank. */
const MEANS = {
  gather: 'ranks gather the factors',
  order: 'ranks add up, in example order, the gradients',
  reduce: 'ranks all-reduce the gradients',
} as const

type Split = Extract<TrainEvent, { kind: 'start' }>['split']

function splitLine({ by, examples, neurons }: Split): string {
  const numbers = (count: number) => count.toLocaleString('en-US')
  if (neurons === null)
    return `workers split examples (${numbers(examples)} numbers sent a step); neurons can be split with one hidden layer`
  return `workers split ${by} (numbers sent a step: neurons ${numbers(neurons)}, examples ${numbers(examples)})`
}
