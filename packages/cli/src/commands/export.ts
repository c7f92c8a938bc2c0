import type { Command } from 'commander'
import type { Terminal } from '../terminal.js'

const EXAMPLES = `
Example:
  saddle export runs/quickstart-20260101-120000 --out weights.safetensors

The file holds a multilayer perceptron without biases: layers.1.weight, …,
output.weight, each [outputs, inputs] as PyTorch's Linear has it. The activation,
the preprocessing of the inputs and the step are in the file's metadata. In Python:

  from safetensors.torch import load_file
  weights = load_file('weights.safetensors')
  hidden = torch.relu(x @ weights['layers.1.weight'].T)
  scores = hidden @ weights['output.weight'].T`

export function addExport(program: Command, terminal: Terminal): void {
  program
    .command('export')
    .summary("write a run's weights for other programs")
    .description("Writes the weights of a run's newest checkpoint as one safetensors file.")
    .argument('<DIR>', 'run folder')
    .requiredOption('--out <FILE>', 'safetensors file to write')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, { out }: { out: string }) => {
      const { exportPerceptron, loadNetwork } = await import('@saddle/distributed')
      const { config, network, parameters, step } = await loadNetwork(dir)
      const perceptron = network.toPerceptron(parameters)
      await exportPerceptron(perceptron, out, {
        step: String(step),
        data: JSON.stringify(config.data),
        perturbation: JSON.stringify(config.perturbation),
      })
      const shapes = perceptron.layers.map(
        ({ name, rows, cols }) => `  ${name}  ${rows} × ${cols}\n`,
      )
      terminal.out.write(
        `${out}: ${perceptron.activation} network after ${step} steps\n${shapes.join('')}`,
      )
    })
}
