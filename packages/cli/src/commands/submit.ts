import { basename } from 'node:path'
import { SaddleError } from '@saddle/core'
import { type Command, Option } from 'commander'
import type { JobPlan } from '../cluster/job-plan.js'
import type { SlurmOptions } from '../cluster/slurm-script.js'
import type { Terminal } from '../terminal.js'
import {
  assignment,
  collected,
  hostList,
  nonNegativeInteger,
  positiveInteger,
  timeLimit,
} from './arguments.js'
import { type HostsFlags, hostsOptions, hostsWords } from './run-hosts.js'
import { settingsFrom, timestamp } from './settings.js'

const EXAMPLES = `
Examples:
  saddle submit run.yaml --scheduler slurm --time 2:00:00 --requeue
  saddle submit wide.yaml --scheduler slurm --nodes 4 --gpus-per-node 8 \\
    --partition gpu --account lab --time 1-0 --requeue --dry-run
  saddle submit sweep.yaml --scheduler slurm --parallel 8 --out runs/sweep
  saddle submit run.yaml --scheduler mpirun --hosts node1,node2 --dry-run
  saddle submit run.yaml --scheduler kubernetes --nodes 2 --image lab/saddle \
    --claim shared --dry-run | kubectl apply -f -

Beside the run folder DIR it writes DIR.job/: the batch script, the configuration
as resolved, and later the job's output. --dry-run prints the script and does
nothing else; no scheduler need be installed for that.

A configuration with a sweep becomes a job array, one run folder a cell:

  sweep:
    network.width: [1024, 4096]
    seed: [0, 1, 2]

Submitted again with the same --out, cells that are done are left out, and the
others go on from their checkpoints.

The script trains or resumes, tries again after failures (--retries), and passes
the signal before the time limit on, so that every rank saves; with --requeue it
then waits for another turn. A site's own script can take its place: --template,
$SADDLE_TEMPLATES/slurm.sh or ~/.config/saddle/templates/slurm.sh, with the
places of packages/cli/templates/slurm.sh.

See also: saddle jobs, saddle watch JOB, saddle cancel JOB, and docs/cluster.md.`

interface SubmitFlags
  extends Omit<HostsFlags, 'hosts'>,
    Omit<SlurmOptions, 'requeue' | 'sbatch' | keyof HostsFlags> {
  readonly hosts?: HostsFlags['hosts']
  readonly scheduler: 'slurm' | 'mpirun' | 'kubernetes'
  readonly requeue?: boolean
  readonly sbatch?: readonly string[]
  readonly template?: string
  readonly image?: string
  readonly claim?: string
  readonly namespace?: string
  readonly memory?: string
}

export function addSubmit(program: Command, terminal: Terminal): void {
  program
    .command('submit')
    .summary('train on a cluster')
    .description('Writes the script that trains on a cluster, and hands it to the scheduler.')
    .argument('<CONFIG>', 'configuration, YAML or JSON; may have a sweep')
    .addOption(
      new Option('--scheduler <NAME>', 'what starts the job')
        .choices(['slurm', 'mpirun', 'kubernetes'])
        .makeOptionMandatory(),
    )
    .option('--out <DIR>', 'run folder (default: runs/NAME-YYYYMMDD-HHMMSS)')
    .option('--nodes <N>', 'machines', positiveInteger, 1)
    .option('--ranks-per-node <R>', 'processes a machine', positiveInteger, 1)
    .option('--gpus-per-node <G>', 'GPUs a machine', positiveInteger)
    .option('--cpus <C>', 'processors a rank', positiveInteger)
    .option(
      '--workers <N>',
      'workers a rank (default: one a GPU, or one a processor)',
      positiveInteger,
    )
    .option('--time <LIMIT>', 'as Slurm has it: 90 (minutes), 2:00:00, 1-12', timeLimit)
    .option('--partition <NAME>', "partition (default: the cluster's own)")
    .option('--account <NAME>', 'account')
    .option('--requeue', 'after saving on request, or losing a node, wait for another turn')
    .option('--parallel <N>', 'cells of a sweep that run at once', positiveInteger)
    .option('--retries <N>', 'failures in a row that are tried again', nonNegativeInteger, 3)
    .option('--backoff <S>', 'seconds before the first new try; they double', positiveInteger, 10)
    .option(
      '--save-before <S>',
      'seconds before the time limit to save at (default: 120)',
      positiveInteger,
    )
    .option(
      '--mpi <NAME>',
      'how ranks meet: pmix, pmi2 for MPICH, or mpirun instead of srun',
      'pmix',
    )
    .option('--sbatch <OPTION>', 'an option of sbatch: --constraint=a100; many times', collected)
    .option('--template <FILE>', 'a script of your own, with places to fill')
    .option('--hosts <LIST>', 'mpirun: machines, and ranks on each: node1,node2:2', hostList)
    .option('--ssh <COMMAND>', 'mpirun: how to run a command on a host', 'ssh')
    .option('--mpirun-option <WORD>', 'mpirun: a word for it; many times', collected)
    .option('--image <IMAGE>', 'kubernetes: image with Node, Saddle, Open MPI and sshd')
    .option('--claim <NAME>', 'kubernetes: claim of the volume that run folders lie on')
    .option('--namespace <NAME>', 'kubernetes: namespace')
    .option('--memory <SIZE>', 'kubernetes: memory of a worker: 64Gi')
    .option('--backend <NAME>', 'what computes (see `saddle devices`)')
    .option('--devices <LIST>', 'one a worker, with commas between: cuda:0,cuda:1')
    .option('--set <PATH=VALUE>', 'change one setting; may be given many times', assignment)
    .option('--dry-run', 'print the script or command; write and submit nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: SubmitFlags) => {
      const { readConfigFile } = await import('@saddle/distributed')
      const { planJob } = await import('../cluster/job-plan.js')
      const config = await readConfigFile(file, settingsFrom(flags))
      const out = flags.out ?? `runs/${config.name}-${timestamp(new Date())}`
      const plan = await planJob(config, out)
      const command = ['saddle', ...program.args]
      if (flags.scheduler === 'slurm') {
        const { submitToSlurm } = await import('../cluster/submit-slurm.js')
        const { requeue = false, sbatch = [], template, dryRun = false } = flags
        const asked = { command, template, dryRun }
        await submitToSlurm(plan, { ...flags, requeue, sbatch }, asked, terminal)
      } else if (flags.scheduler === 'mpirun')
        await submitMpirun(plan, flags, file, command, terminal)
      else await printManifest(plan, flags, out, command, terminal)
    })
}

async function submitMpirun(
  plan: JobPlan,
  { hosts, ...flags }: SubmitFlags,
  file: string,
  command: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const { printCommands, submitToHosts } = await import('../cluster/submit-mpirun.js')
  if (hosts === undefined)
    throw new SaddleError('CONFIG', '--scheduler mpirun needs --hosts, such as node1,node2:2.')
  const options = hostsOptions({ ...flags, hosts })
  if (flags.dryRun === true) printCommands(plan, options, terminal)
  else await submitToHosts(plan, options, hostsWords(file, { ...flags, hosts }), command, terminal)
}

/** Kubernetes is not asked: `kubectl apply -f` takes what is printed. */
async function printManifest(
  plan: JobPlan,
  { image, claim, template, dryRun = false, ...flags }: SubmitFlags,
  out: string,
  command: readonly string[],
  terminal: Terminal,
): Promise<void> {
  const { kubernetesManifest } = await import('../cluster/kubernetes.js')
  const { findTemplate } = await import('../cluster/template.js')
  if (!dryRun)
    throw new SaddleError(
      'CONFIG',
      '--scheduler kubernetes only prints a manifest: add --dry-run, and hand it to `kubectl apply -f -`.',
    )
  if (image === undefined || claim === undefined)
    throw new SaddleError(
      'CONFIG',
      '--scheduler kubernetes needs --image, with Node, Saddle, Open MPI and sshd, and --claim, a volume that all pods may write.',
    )
  const options = { ...flags, image, claim }
  const form = findTemplate('mpijob.yaml', template)
  terminal.out.write(kubernetesManifest(plan, options, form, command, basename(out)))
}
