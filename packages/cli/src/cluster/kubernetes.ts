import { SaddleError } from '@saddle/core'
import type { Config } from '@saddle/distributed'
import { stringify } from 'yaml'
import type { JobPlan } from './job-plan.js'
import { ownVersion } from './own-command.js'
import { commentLine, shellJoin } from './quote.js'
import { fillTemplate, type Template } from './template.js'

/** What a job asks of Kubernetes with the MPI Operator. */
export interface KubernetesOptions {
  /** An image with Node, Saddle as `saddle` on PATH, Open MPI and an sshd, as the operator's own examples have it. */
  readonly image: string
  /** A claim of a volume that all pods may write (ReadWriteMany); the run folder lies on it. */
  readonly claim: string
  readonly namespace?: string
  readonly nodes: number
  readonly ranksPerNode: number
  readonly gpusPerNode?: number
  readonly cpus?: number
  readonly workers?: number
  readonly memory?: string
  readonly retries: number
  readonly backoff: number
}

/**
 * A ConfigMap with the configuration, and an MPIJob (kubeflow.org/v2beta1) with a launcher and a worker a node. Every
 * value is filled in as JSON, which YAML reads, so that no text can change the manifest's structure.
 *
 * @param run the run folder on the volume, below its mount point.
 * @throws SaddleError CONFIG for sweeps, for data in files, and for names that Kubernetes does not take.
 */
export function kubernetesManifest(
  plan: JobPlan,
  options: KubernetesOptions,
  template: Template,
  command: readonly string[],
  run: string,
): string {
  if (plan.swept || plan.runs[0] === undefined)
    throw new SaddleError(
      'CONFIG',
      'A manifest is for one run; print one for each cell with --set.',
    )
  const { config } = plan.runs[0]
  refuseFiles(config)
  const { nodes, ranksPerNode, gpusPerNode, cpus, workers, memory } = options
  const name = requireName(`saddle-${plan.name}`.toLowerCase().replace(/[^a-z0-9-]+/g, '-'))
  const limits = {
    ...(cpus === undefined ? {} : { cpu: cpus * ranksPerNode }),
    ...(memory === undefined ? {} : { memory }),
    ...(gpusPerNode === undefined ? {} : { 'nvidia.com/gpu': gpusPerNode }),
  }
  const json = JSON.stringify
  return fillTemplate(template, {
    version: ownVersion(),
    command: commentLine(shellJoin(command)),
    name: json(name),
    namespace: json(options.namespace ?? 'default'),
    config: json(stringify(config)),
    image: json(options.image),
    claim: json(options.claim),
    nodes: json(nodes),
    slots: json(ranksPerNode),
    limits: json(limits),
    run: json(`/runs/${run}`),
    ranks: json(String(nodes * ranksPerNode)),
    flags: json(workers === undefined ? '' : `--workers ${workers}`),
    retries: json(String(options.retries)),
    backoff: json(String(options.backoff)),
  })
}

/** A label of DNS, as Kubernetes wants names. */
function requireName(name: string): string {
  const short = name.slice(0, 50).replace(/-+$/, '')
  if (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(short)) return short
  throw new SaddleError(
    'CONFIG',
    `"${name}" is no name for Kubernetes. Set another: --set name=…`,
    { name },
  )
}

/** Files of this machine are not in the pods. */
function refuseFiles({ data: { source }, monitor: { comparator } }: Config): void {
  const inside = ['mnist', 'clusters', 'pairs'].includes(source.kind) && comparator === null
  if (inside) return
  throw new SaddleError(
    'CONFIG',
    `The configuration names files of this machine (data of kind ${source.kind}${comparator === null ? '' : ', a comparator'}), which pods do not have. ` +
      'Put them on the claimed volume, and use a template of your own with the configuration there.',
    { kind: source.kind },
  )
}
