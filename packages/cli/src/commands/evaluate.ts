import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createEvaluationReporter } from '../progress/evaluation.js'
import { evaluationNote, evaluationTable } from '../report/evaluation-table.js'
import { stopOnSignals } from '../stopping.js'
import type { Terminal } from '../terminal.js'
import { addSubjectFlags, computeFrom, requestFrom, type SubjectFlags } from './evaluation-flags.js'

const EXAMPLES = `
Examples:
  saddle evaluate runs/quickstart-20260101-120000
  saddle evaluate runs/wide --attacks fgsm,pgd:steps=40,restarts=2 --radii 0.05,0.1,0.2
  saddle evaluate --model mnist.safetensors --activation relu \\
    --data x-test.npy --labels y-test.npy --radii 0.05,0.1 --attacks fgsm,pgd
  saddle evaluate --model cifar.safetensors --activation relu --data x.npy --labels y.npy \\
    --set box-l2 --radii 0.5 --examples 1000 --save-adversarial adversarial.npy

FILE.safetensors holds a torch.nn.Sequential of Linear layers with one activation
between them, as save_file(model.state_dict(), FILE) writes it; or what
\`saddle export\` wrote. Inputs are given as the model sees them: normalise before
saving X, and give radii in those units. Bytes are divided by 255.

An attack's options follow it: NAME:OPTION=VALUE,OPTION=VALUE; steps are in units of
the radius. \`saddle evaluate\` takes the attacks of a configuration; see
docs/evaluation.md.

DIR receives evaluation.json, robustness.svg, examples.safetensors (every example,
every attack), log.jsonl and state/. Ctrl-C (or SIGTERM) keeps what is finished and
exits with 75; the same command goes on, also after a crash or kill -9, to the same
figures, bit for bit, with any number of workers.`

interface EvaluateFlags extends SubjectFlags {
  readonly out?: string
  readonly saveAdversarial?: string
  readonly quiet?: boolean
  readonly json?: boolean
}

export function addEvaluate(program: Command, terminal: Terminal): void {
  addSubjectFlags(
    program
      .command('evaluate')
      .summary('attack a network, and say what is left standing')
      .description(
        'Attacks a network on every example, with every attack at every radius, and reports its robust accuracy.',
      ),
  )
    .option('--out <DIR>', 'folder to write (default: RUN/evaluations/…, or evaluations/…)')
    .option('--save-adversarial <X.npy>', 'write the worst point that was found of every example')
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'print evaluation.json instead of a table')
    .addHelpText('after', EXAMPLES)
    .action(async (run: string | undefined, flags: EvaluateFlags) => {
      const distributed = await import('@saddle/distributed')
      const request = {
        ...(await requestFrom(distributed, run, flags)),
        out: flags.out,
        saveAdversarial: flags.saveAdversarial,
      }
      const reporter = createEvaluationReporter(terminal, flags.quiet === true)
      const stopping = stopOnSignals(
        () => reporter.note('stopping; what is finished is kept. Once more to exit at once'),
        () => reporter.close(),
      )
      let report: Awaited<ReturnType<typeof distributed.evaluate>>
      try {
        report = await distributed.evaluate(request, {
          ...computeFrom(flags),
          signal: stopping.signal,
          onEvent: reporter.event,
        })
      } finally {
        reporter.close()
        stopping.release()
      }
      const { drawRobustness } = await import('../report/robustness.js')
      await writeFile(join(report.dir, 'robustness.svg'), drawRobustness(report))
      const { dir, ...rest } = report
      if (flags.json === true)
        return terminal.out.write(`${JSON.stringify({ ...rest, folder: dir })}\n`)
      const { yellow } = terminal.out.colours
      const lines = [
        '',
        evaluationTable(report),
        evaluationNote(report),
        ...report.warnings.map(({ message }) => `${yellow('Warning')}  ${message}`),
        '',
        `Folder   ${dir}: evaluation.json, robustness.svg, examples.safetensors`,
        ...(flags.saveAdversarial === undefined ? [] : [`Points   ${flags.saveAdversarial}`]),
      ]
      terminal.out.write(`${lines.join('\n')}\n`)
    })
}
