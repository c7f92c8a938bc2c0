import { SaddleError, type SetSpec } from '@saddle/core'
import type { EvaluationRequest } from '@saddle/distributed'
import { type Command, Option } from 'commander'
import { nonNegativeInteger, positiveInteger, positiveNumber } from './arguments.js'

/** What `evaluate` and `gallery` have in common: which model, which examples, which attacks. */
export interface SubjectFlags {
  readonly model?: string
  readonly activation?: string
  readonly data?: string
  readonly labels?: string
  readonly scale?: number
  readonly part?: 'train' | 'test'
  readonly examples?: string
  readonly set?: SetSpec['kind']
  readonly radii?: string
  readonly attacks?: string
  readonly attacksFile?: string
  readonly criterion?: string
  readonly loss?: string
  readonly seed?: number
  readonly startingPoints?: string
  readonly workers?: number
  readonly backend?: string
  readonly devices?: string
}

const SETS: readonly SetSpec['kind'][] = [
  'linf',
  'l2',
  'l1',
  'box-linf',
  'box-l2',
  'box-l1',
  'cap',
  'box-sphere',
  'lift-linf',
  'lift-l2',
]

export function addSubjectFlags(command: Command): Command {
  return command
    .argument('[RUN]', 'run folder, whose newest checkpoint is taken')
    .option('--model <FILE>', 'a perceptron saved by PyTorch or `saddle export` instead of a RUN')
    .option('--activation <NAME>', 'between its layers: relu, tanh, gelu, silu, erf, softplus:1, …')
    .option('--data <X.npy>', 'examples [n, d] or [n, …], as the model sees them')
    .option('--labels <Y.npy>', 'their labels [n]: classes from 0, or -1 and 1 for one output')
    .option(
      '--scale <NUMBER>',
      'what X is divided by (default: 255 for bytes, else 1)',
      positiveNumber,
    )
    .addOption(new Option('--part <NAME>', "of a RUN's own data").choices(['test', 'train']))
    .option('--examples <WHICH>', '200 for the first 200, 100:300, or 3,14,15 (default: all)')
    .addOption(
      new Option('--set <KIND>', "perturbation set (default: RUN's; box-linf for a file)").choices(
        SETS,
      ),
    )
    .option('--radii <LIST>', "such as 0.1,0.2 or 4/255,8/255 (default: RUN's)")
    .option('--attacks <LIST>', 'such as fgsm,pgd:steps=40,restarts=2')
    .option('--attacks-file <FILE>', 'the same as a YAML list')
    .option('--criterion <NAME>', 'misclassification, targeted:next, targeted:3, loss-above:0.5, …')
    .option('--loss <NAME>', "what is ascended (default: RUN's; cross-entropy or logistic)")
    .option('--seed <N>', "key of all randomness (default: RUN's, or 0)", nonNegativeInteger)
    .option(
      '--starting-points <X.npy>',
      'adversarial points that are known, where boundary, hop-skip-jump, … begin',
    )
    .option('--workers <N>', 'worker threads (default: one a core)', positiveInteger)
    .option('--backend <NAME>', 'what computes: auto, blas, wasm, … (see `saddle devices`)')
    .option('--devices <LIST>', 'one a worker, with commas between: cuda:0,cuda:1')
}

type Distributed = typeof import('@saddle/distributed')

/** The request that the flags stand for. @throws SaddleError CONFIG if they contradict each other. */
export async function requestFrom(
  { parseAttacks, parseCriterion, parseExamples, parseRadii, readAttacks }: Distributed,
  run: string | undefined,
  flags: SubjectFlags,
): Promise<EvaluationRequest> {
  const { model, activation, data, labels, scale } = flags
  if ((run === undefined) === (model === undefined))
    throw usage('Name one model: a RUN folder, or --model FILE.safetensors.')
  if (run !== undefined && activation !== undefined)
    throw usage('--activation is for --model; a RUN knows its own.')
  if ((data === undefined) !== (labels === undefined))
    throw usage('--data and --labels belong together; give both or neither.')
  if (scale !== undefined && data === undefined)
    throw usage('--scale divides the numbers of --data; there are none.')
  if (flags.attacks !== undefined && flags.attacksFile !== undefined)
    throw usage('Give --attacks or --attacks-file, not both.')
  const attacks =
    flags.attacksFile === undefined
      ? flags.attacks === undefined
        ? undefined
        : parseAttacks(flags.attacks)
      : await readAttacks(flags.attacksFile)
  return {
    model: run === undefined ? { file: model!, activation } : { run },
    ...(data === undefined ? {} : { data: { inputs: data, labels: labels!, scale } }),
    part: flags.part,
    ...(flags.examples === undefined ? {} : { examples: parseExamples(flags.examples) }),
    set: flags.set,
    ...(flags.radii === undefined ? {} : { radii: parseRadii(flags.radii) }),
    attacks,
    ...(flags.criterion === undefined ? {} : { criterion: parseCriterion(flags.criterion) }),
    loss: flags.loss,
    seed: flags.seed,
    startingPoints: flags.startingPoints,
  }
}

/** What computes, as `evaluate` of `@saddle/distributed` takes it. */
export function computeFrom({ workers, backend, devices }: SubjectFlags): {
  workers: number | undefined
  backend: string | undefined
  devices: string[] | undefined
} {
  const names = devices?.split(',').map(name => name.trim())
  return { workers, backend, devices: names }
}

function usage(message: string): SaddleError {
  return new SaddleError('CONFIG', message)
}
