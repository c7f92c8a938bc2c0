import { availableParallelism } from 'node:os'
import type { Activation, Loss, TheoremPlan } from '@saddle/core'
import type { MemoryPlan, MemoryQuestion } from '@saddle/distributed'
import { type Command, Option } from 'commander'
import { describeMemory } from '../report/memory.js'
import { describePlan } from '../report/plan.js'
import type { Terminal } from '../terminal.js'
import { positiveInteger, positiveNumber } from './arguments.js'

const EXAMPLES = `
Examples:
  saddle plan --epsilon 0.2 --radius 2.87 --activation sincos
  saddle plan --theorem 4.1 --epsilon 0.1 --radius 1 --depth 2 --dimension 784
  saddle plan --theorem 5.1 --activation gs:0.5 --loss huber:1 --json
  saddle plan --theorem 4.1 --depth 2 --width 16384 --examples 1024 --workers 4

Theorem 5.1 (two-layer networks, smooth activations) comes with constants that are
proven. Theorem 4.1 (deep relu networks) has a width known only up to an unknown
constant; what is printed for it is an order of magnitude, and says so.

ε is the loss wanted above that of the best network within distance R of the start.

Below the plan stands the memory that training takes at the width m (or --width), with
all examples in one batch, and the largest width that fits this machine.`

interface PlanFlags {
  readonly theorem: '4.1' | '5.1'
  readonly epsilon: number
  readonly radius: number
  readonly depth: number
  readonly dimension: number
  readonly activation: string
  readonly loss: string
  readonly width?: number
  readonly examples: number
  readonly workers?: number
  readonly json?: boolean
}

/** What training would take at a width. */
export interface PlannedMemory extends MemoryPlan {
  /** Bytes this process may use, and the largest width whose training takes no more. */
  readonly usable: number
  readonly largestWidth: number
}

export function addPlan(program: Command, terminal: Terminal): void {
  program
    .command('plan')
    .summary('say what width, step size and steps the theorems ask for')
    .description(
      'Works out the width m, the step size α and the number of steps T that Theorem 4.1 or 5.1 asks for, and the memory that a width takes.',
    )
    .addOption(new Option('--theorem <NUMBER>', 'which').choices(['4.1', '5.1']).default('5.1'))
    .option('--epsilon <NUMBER>', 'ε: loss above the best in the ball', positiveNumber, 0.1)
    .option('--radius <NUMBER>', 'R: the ball to compete with', positiveNumber, 1)
    .option('--depth <H>', 'H: hidden layers (4.1)', positiveInteger, 1)
    .option('--dimension <d>', 'd: dimension of the inputs', positiveInteger, 784)
    .option('--activation <NAME>', 'gives C1 and C2 (5.1): sincos, gs:T, softplus:B, …', 'gs:0.5')
    .option('--loss <NAME>', 'gives Lc: huber:K, logistic, …', 'huber:1')
    .option('--width <m>', 'memory of this width instead of the plan’s', positiveInteger)
    .option('--examples <n>', 'n: training examples', positiveInteger, 1024)
    .option('--workers <N>', 'workers (default: one a core)', positiveInteger)
    .option('--json', 'print the plan as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: PlanFlags) => {
      const core = await import('@saddle/core')
      const plan = makePlan(core, flags)
      const memory = planned(await import('@saddle/distributed'), plan.width, flags)
      terminal.out.write(
        flags.json === true
          ? `${JSON.stringify({ ...plan, memory })}\n`
          : `${describePlan(plan, terminal)}\n${describeMemory(memory, terminal)}`,
      )
    })
}

function makePlan(core: typeof import('@saddle/core'), flags: PlanFlags): TheoremPlan {
  const { epsilon, radius, depth, dimension } = flags
  const { lipschitz }: Loss = core.lossFrom(flags.loss)
  if (flags.theorem === '4.1')
    return core.theorem41Plan({ radius, epsilon, depth, dimension, lipschitz })
  const { c1, c2 }: Activation = core.activationFrom(flags.activation)
  return core.theorem51Plan({ lipschitz, c1, c2, radius, epsilon })
}

function planned(
  { planMemory, largestWidth, usableMemory }: typeof import('@saddle/distributed'),
  planWidth: number,
  { theorem, depth, dimension, width, examples, workers }: PlanFlags,
): PlannedMemory {
  const deep = theorem === '4.1'
  const question: MemoryQuestion = {
    network: {
      family: deep ? 'deep' : 'two-layer',
      inputs: dimension,
      width: width ?? planWidth,
      depth: deep ? depth : 1,
      outputs: 1,
      init: deep ? 'paper' : 'symmetric',
    },
    examples,
    shard: 128,
    window: 2 ** 28,
    workers: workers ?? availableParallelism(),
  }
  const usable = usableMemory()
  return { ...planMemory(question), usable, largestWidth: largestWidth(question, usable) }
}
