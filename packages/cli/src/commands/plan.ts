import type { Activation, Loss, TheoremPlan } from '@saddle/core'
import type { RunPlan } from '@saddle/distributed'
import { type Command, Option } from 'commander'
import { describeMemory } from '../report/memory.js'
import { describePlan } from '../report/plan.js'
import type { Terminal } from '../terminal.js'
import { assignment, namesIn, positiveInteger, positiveNumber } from './arguments.js'

const EXAMPLES = `
Examples:
  saddle plan --epsilon 0.2 --radius 2.87 --activation sincos
  saddle plan --theorem 4.1 --epsilon 0.1 --radius 1 --depth 2 --dimension 784
  saddle plan --theorem 5.1 --activation gs:0.5 --loss huber:1 --json
  saddle plan --theorem 4.1 --depth 2 --width 16384 --devices cuda:0,cuda:1,blas
  saddle plan run.yaml --devices cuda:0,cuda:0 --set network.width=32768

Theorem 5.1 (two-layer networks, smooth activations) comes with constants that are
proven. Theorem 4.1 (deep relu networks) has a width known only up to an unknown
constant; what is printed for it is an order of magnitude, and says so.

ε is the loss wanted above that of the best network within distance R of the start.

Below the plan stands the memory that training takes at the width m (or --width), with
all examples in one batch: of this machine and of every card among the devices, and the
largest width that fits each of them and all. With a CONFIG only that is printed, for
the run as configured. Figures with ≈ are estimates, the others follow from shapes.`

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
  readonly attackSteps: number
  readonly workers?: number
  readonly backend?: string
  readonly devices?: readonly string[]
  readonly set?: readonly string[]
  readonly json?: boolean
}

export function addPlan(program: Command, terminal: Terminal): void {
  program
    .command('plan')
    .summary('say what width, step size and steps the theorems ask for, and what memory it takes')
    .description(
      'Works out the width m, the step size α and the number of steps T that Theorem 4.1 or 5.1 asks for, and the memory that a width takes on each device.',
    )
    .argument('[CONFIG]', 'plan the memory of this run instead')
    .addOption(new Option('--theorem <NUMBER>', 'which').choices(['4.1', '5.1']).default('5.1'))
    .option('--epsilon <NUMBER>', 'ε: loss above the best in the ball', positiveNumber, 0.1)
    .option('--radius <NUMBER>', 'R: the ball to compete with', positiveNumber, 1)
    .option('--depth <H>', 'H: hidden layers (4.1)', positiveInteger, 1)
    .option('--dimension <d>', 'd: dimension of the inputs', positiveInteger, 784)
    .option('--activation <NAME>', 'gives C1 and C2 (5.1): sincos, gs:T, softplus:B, …', 'gs:0.5')
    .option('--loss <NAME>', 'gives Lc: huber:K, logistic, …', 'huber:1')
    .option('--width <m>', 'memory of this width instead of the plan’s', positiveInteger)
    .option('--examples <n>', 'n: training examples', positiveInteger, 1024)
    .option('--attack-steps <K>', 'K: gradient steps of the attack', positiveInteger, 10)
    .option('--workers <N>', 'workers (default: one a core, or one a device)', positiveInteger)
    .option('--backend <NAME>', 'what computes: auto, wasm, cpu, … (see `saddle devices`)')
    .option('--devices <LIST>', 'one a worker, with commas between: cuda:0,cuda:1', namesIn)
    .option(
      '--set <PATH=VALUE>',
      'change one setting of CONFIG; may be given many times',
      assignment,
    )
    .option('--json', 'print the plan as one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, flags: PlanFlags) => {
      if (file !== undefined) {
        const memory = await planConfig(file, flags)
        return void terminal.out.write(
          flags.json === true
            ? `${JSON.stringify({ memory })}\n`
            : describeMemory(memory, terminal),
        )
      }
      const core = await import('@saddle/core')
      const plan = makePlan(core, flags)
      const memory = await planWidth(plan.width, flags)
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

/** The memory of a configured run, on the devices of its own or of the command line. */
async function planConfig(file: string, flags: PlanFlags): Promise<RunPlan> {
  const { planRun, readConfig } = await import('@saddle/distributed')
  const { backend, devices, set = [], width, workers } = flags
  const settings = [
    ...set,
    ...(width === undefined ? [] : [`network.width=${width}`]),
    ...(backend === undefined ? [] : [`compute.backend=${backend}`]),
    ...(devices === undefined ? [] : [`compute.devices=${JSON.stringify(devices)}`]),
  ]
  const { config } = await readConfig(file, settings)
  return planRun(config, workers === undefined ? {} : { workers })
}

/** The memory of a network of the theorem's family, at --width or the plan's. */
async function planWidth(planWidth: number, flags: PlanFlags): Promise<RunPlan> {
  const { planNetwork } = await import('@saddle/distributed')
  const { theorem, depth, dimension, activation, width, examples, attackSteps } = flags
  const deep = theorem === '4.1'
  return planNetwork({
    network: {
      family: deep ? 'deep' : 'two-layer',
      activation: deep ? 'relu' : activation,
      inputs: dimension,
      width: width ?? planWidth,
      depth: deep ? depth : 1,
      outputs: 1,
      init: deep ? 'paper' : 'symmetric',
    },
    examples,
    attackSteps,
    backend: flags.backend ?? 'auto',
    devices: flags.devices ?? 'auto',
    workers: flags.workers ?? 'auto',
  })
}
