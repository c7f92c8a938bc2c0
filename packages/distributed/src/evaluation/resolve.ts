import { basename, join, resolve } from 'node:path'
import type { AttackSpec } from '@saddle/attacks'
import {
  type Compatibility,
  type Dataset,
  perturbationSetFrom,
  requireDomain,
  SaddleError,
  type SetSpec,
} from '@saddle/core'
import { kindsOf } from '../devices/device.js'
import { type Chosen, chooseDevices } from '../devices/resolve.js'
import { version } from '../version.js'
import { checkAttack } from './attack-list.js'
import { type CriterionSpec, checkTarget } from './criterion.js'
import { type Identity, identityHash, namedExamples } from './identity.js'
import type { EvaluationJob } from './messages.js'
import { checkRadii, chooseExamples, type ExampleChoice } from './numbers.js'
import { type OpenedPoints, openStartingPoints } from './starting-points.js'
import {
  checkFit,
  type DataFiles,
  type ModelSource,
  openData,
  openSubject,
  type Subject,
  type SubjectData,
} from './subject.js'

/** An attack as a configuration has it: what is left out has its default. */
interface AttackInput {
  readonly kind: string
  readonly [option: string]: unknown
}

/** What is to be evaluated, and how. What is left out of it is the run's own, or has a default. */
export interface EvaluationRequest {
  readonly model: ModelSource
  /** Needed for a model in a file; a run has data of its own. */
  readonly data?: DataFiles | undefined
  /** Of a run's own data. Default: test where there is one. */
  readonly part?: 'train' | 'test' | undefined
  readonly examples?: ExampleChoice | undefined
  /** Default: the run's; `box-linf` for a file. */
  readonly set?: SetSpec['kind'] | undefined
  /** In the units of the inputs. Default: the run's. */
  readonly radii?: readonly number[] | undefined
  /** Default: the run's evaluation.attack; for a file pgd of 40 steps. */
  readonly attacks?: readonly (AttackSpec | AttackInput)[] | undefined
  readonly criterion?: CriterionSpec | undefined
  /** Reported, and ascended by attacks without a loss of their own. Default: the run's; cross-entropy or logistic. */
  readonly loss?: string | undefined
  /** Default: the run's, or 0. */
  readonly seed?: number | undefined
  /**
   * An NPY file of adversarial points that are known, a row an example of the data or of the chosen ones, in the units of the
   * model: where boundary, hop-skip-jump, nes-partial and nes-label-only begin.
   */
  readonly startingPoints?: string | undefined
  /** Where to write adversarial points: for each radius and example the worst that any attack found. */
  readonly saveAdversarial?: string | undefined
  /** The folder to write. Default: RUN/evaluations/HASH, or evaluations/FILE-HASH. */
  readonly out?: string | undefined
}

export interface ComputeOptions {
  /** Default: one a core, or one a device. Changes no figure. */
  readonly workers?: number | undefined
  /** Default: auto. */
  readonly backend?: string | undefined
  readonly devices?: readonly string[] | undefined
}

/** An evaluation whose input was found good, before anything is written or any worker started. */
export interface Resolved {
  readonly dir: string
  readonly identity: Identity
  readonly subject: Subject
  readonly examples: SubjectData
  readonly chosen: Chosen
  readonly job: EvaluationJob
  readonly compatibility: Compatibility
  readonly startingPoints: OpenedPoints | null
  readonly saveAdversarial: string | null
}

/** Examples beyond these are left out of the O(n²) check whether sets meet. */
const COMPATIBILITY_EXAMPLES = 1000

/** @throws SaddleError CONFIG, DATA, RANGE, BACKEND, CHECKPOINT for all that is wrong with a request. */
export async function resolveRequest(
  request: EvaluationRequest,
  compute: ComputeOptions,
): Promise<Resolved> {
  const asked = request.attacks?.map(attack => evaluating(checkAttack(attack)))
  if (asked?.length === 0)
    throw new SaddleError('CONFIG', 'An evaluation needs at least one attack, such as pgd.')
  const subject = await openSubject(request.model)
  const attacks = asked ?? subject.defaults.attacks.map(evaluating)
  const { set = subject.defaults.set, loss = subject.defaults.loss } = request
  const { criterion = { kind: 'misclassification' }, seed = subject.seed } = request
  const wanted = request.radii ?? subject.defaults.radii
  if (wanted === null)
    throw new SaddleError(
      'CONFIG',
      'Name the radii to attack at, in the units of the inputs: --radii 0.1,0.2.',
    )
  const radii = checkRadii(wanted)
  const examples = await openData(subject, request.data, request.part)
  const spec: SetSpec = { kind: set, radius: radii.at(-1)! }
  checkFit(subject, examples, spec, loss)
  checkTarget(criterion, subject.outputs)
  const order = shared(chooseExamples(request.examples, examples.data.count))
  const chosenRows = rowsOf(examples.data, order)
  requireDomain(set, chosenRows)
  const chosen = await chooseDevices({
    backend: compute.backend ?? 'auto',
    workers: compute.workers ?? 'auto',
    devices: compute.devices ?? 'auto',
  })
  const points = request.saveAdversarial !== undefined
  const startingPoints =
    request.startingPoints === undefined
      ? null
      : await openStartingPoints(request.startingPoints, {
          data: examples.data,
          order,
          set,
          attacks,
        })
  const identity: Identity = {
    format: 3,
    model: subject.hash,
    data: examples.hash,
    examples: namedExamples(order),
    set,
    radii,
    attacks,
    loss,
    criterion,
    seed,
    ...(startingPoints === null ? {} : { startingPoints: startingPoints.hash }),
    points,
    backend: kindsOf(chosen.devices).join('+'),
    saddle: version,
  }
  return {
    dir: resolve(request.out ?? defaultFolder(request.model, identity)),
    identity,
    subject,
    examples,
    chosen,
    job: {
      model: subject.setup,
      data: examples.data,
      order,
      set,
      radii,
      attacks,
      loss,
      criterion,
      targets: new Float32Array(new SharedArrayBuffer(4 * order.length)),
      seed,
      startingPoints: startingPoints?.points ?? new Float32Array(0),
      points,
    },
    startingPoints,
    compatibility: perturbationSetFrom(spec).compatibility(
      firstOf(chosenRows, COMPATIBILITY_EXAMPLES),
    ),
    saveAdversarial:
      request.saveAdversarial === undefined ? null : resolve(request.saveAdversarial),
  }
}

/**
 * An attack as an evaluation wants it, where it was told nothing else: it says how stationary its points are, and an example
 * is done at its first adversarial point (training takes all steps).
 */
function evaluating(attack: AttackSpec): AttackSpec {
  const reporting = { fosc: true, ...attack }
  if (!isPatient(reporting)) return reporting
  return { ...reporting, until: reporting.until ?? 'success' }
}

/** Does an attack take all steps unless it is told to stop? */
function isPatient(attack: AttackSpec): attack is Extract<AttackSpec, { kind: Patient }> {
  return (PATIENT as readonly string[]).includes(attack.kind)
}
const PATIENT = ['pgd', 'bim', 'mim', 'frank-wolfe'] as const
type Patient = (typeof PATIENT)[number]

function defaultFolder(model: ModelSource, identity: Identity): string {
  const hash = identityHash(identity).slice(0, 12)
  if ('run' in model) return join(model.run, 'evaluations', hash)
  return join('evaluations', `${basename(model.file).replace(/\.safetensors$/, '')}-${hash}`)
}

function shared(indices: Int32Array): Int32Array {
  const order = new Int32Array(new SharedArrayBuffer(4 * indices.length))
  order.set(indices)
  return order
}

/** The chosen examples as data of their own; the data themselves where all are chosen. */
function rowsOf(data: Dataset, order: Int32Array): Dataset {
  if (order.length === data.count) return data
  const { dimension } = data
  const inputs = new Float32Array(new SharedArrayBuffer(4 * order.length * dimension))
  const labels = new Float32Array(new SharedArrayBuffer(4 * order.length))
  order.forEach((e, i) => {
    inputs.set(data.inputs.subarray(e * dimension, (e + 1) * dimension), i * dimension)
    labels[i] = data.labels[e]!
  })
  return { ...data, inputs, labels, count: order.length }
}

function firstOf(data: Dataset, most: number): Dataset {
  const count = Math.min(data.count, most)
  return {
    ...data,
    count,
    inputs: data.inputs.subarray(0, count * data.dimension),
    labels: data.labels.subarray(0, count),
  }
}
