import { fromNamed, type NamedEntry } from '../named.js'
import type { Activation } from './activation.js'
import { erf, sincos, tanh } from './bounded.js'
import { gelu, silu } from './gated.js'
import { gaussianRelu, quadraticRelu, relu, softplus } from './rectifiers.js'

const ACTIVATIONS: Readonly<Record<string, NamedEntry<Activation>>> = {
  relu: { make: () => relu },
  gs: { parameter: 0.5, make: gaussianRelu },
  softplus: { parameter: 1, make: softplus },
  tanh: { make: () => tanh },
  erf: { make: () => erf },
  gelu: { make: () => gelu },
  silu: { make: () => silu },
  sincos: { make: () => sincos },
  'quadratic-relu': { make: () => quadraticRelu },
}

/**
 * The activation of a configuration: `relu`, `gs:T` (relu smoothed by a Gaussian of width T, default 0.5),
 * `softplus:B` (default 1), `tanh`, `erf`, `gelu`, `silu`, `sincos`, `quadratic-relu`.
 *
 * @throws SaddleError CONFIG if the name is unknown; the message lists the names.
 */
export function activationFrom(name: string): Activation {
  return fromNamed('activation', ACTIVATIONS, name)
}
