import type { Matrix } from '../tensors/matrix.js'
import { roundedProduct } from '../tensors/product.js'
import { type Layout, type OpenLayout, openLayout } from './branches.js'
import type { Parameters, Perceptron } from './network.js'

type Layer = Perceptron['layers'][number]

/**
 * The same function as a bias-free multilayer perceptron: branches stand side by side.
 *
 *   layers.1.weight   W_1^b A below each other           [b·m, d]
 *   layers.h.weight   block diagonal of the W_h^b        [b·m, b·m]
 *   output.weight     scale · sign_b · aᵀ side by side   [outputs, b·m]
 *
 * Shapes are those of PyTorch's `Linear.weight`, [out, in]. With two branches a layer takes four times its memory.
 */
export function perceptronOf(layout: Layout, parameters: Parameters): Perceptron {
  const net = openLayout(layout, parameters)
  const depth = net.branches[0]!.layers.length
  const layers: Layer[] = []
  for (let h = 0; h < depth; h++) {
    const blocks = net.branches.map(({ layers }) => layers[h]!)
    const join = h === 0 ? below(blocks.map(block => throughInput(net, block))) : diagonal(blocks)
    layers.push({ name: `layers.${h + 1}.weight`, ...join })
  }
  return {
    activation: layout.activation.name,
    layers: [...layers, { name: 'output.weight', ...outputRows(net) }],
  }
}

type Plain = Omit<Layer, 'name'>

function throughInput({ input }: OpenLayout, w: Matrix): Matrix {
  return input === null ? w : roundedProduct(w, input)
}

function below(blocks: readonly Matrix[]): Plain {
  const { rows, cols } = blocks[0]!
  const data = new Float32Array(blocks.length * rows * cols)
  blocks.forEach((block, b) => {
    data.set(block.data, b * rows * cols)
  })
  return { rows: blocks.length * rows, cols, data }
}

function diagonal(blocks: readonly Matrix[]): Plain {
  const { rows, cols } = blocks[0]!
  const width = blocks.length * cols
  const data = new Float32Array(blocks.length * rows * width)
  blocks.forEach((block, b) => {
    for (let r = 0; r < rows; r++)
      data.set(block.data.subarray(r * cols, (r + 1) * cols), (b * rows + r) * width + b * cols)
  })
  return { rows: blocks.length * rows, cols: width, data }
}

function outputRows({ layout, branches, output }: OpenLayout): Plain {
  const { rows: m, cols: outputs, data: a } = output
  const width = branches.length * m
  const data = new Float32Array(outputs * width)
  branches.forEach(({ sign }, b) => {
    const factor = layout.scale * sign
    for (let r = 0; r < m; r++)
      for (let k = 0; k < outputs; k++) data[k * width + b * m + r] = factor * a[r * outputs + k]!
  })
  return { rows: outputs, cols: width, data }
}
