/** Examples as the perturbation set's centres: rows of `inputs`, in chart coordinates where the set is a lift. */
export interface Dataset {
  readonly name: string
  /** [count, dimension], row-major. */
  readonly inputs: Float32Array<SharedArrayBuffer>
  /** [count]: ±1 for two classes with scalar outputs, otherwise 0..classes−1. */
  readonly labels: Float32Array<SharedArrayBuffer>
  readonly count: number
  readonly dimension: number
  /** Names of the classes, in label order: for ±1, [name of −1, name of +1]. */
  readonly classes: readonly string[]
}

export interface DataSplit {
  readonly train: Dataset
  readonly test: Dataset | null
  /** SHA-256 of inputs and labels of both parts: a run refuses to resume on other data. */
  readonly hash: string
}

/** Where examples come from and how they are brought onto the sphere. Plain JSON. */
export interface DataSpec {
  readonly source:
    | { readonly kind: 'mnist' }
    | {
        readonly kind: 'idx'
        readonly images: string
        readonly labels: string
        readonly testImages?: string | undefined
        readonly testLabels?: string | undefined
      }
    | {
        readonly kind: 'npy'
        readonly inputs: string
        readonly labels: string
        readonly testInputs?: string | undefined
        readonly testLabels?: string | undefined
      }
    /** One example a line; the label in column `labelColumn` (default: the last). */
    | {
        readonly kind: 'csv'
        readonly file: string
        readonly testFile?: string | undefined
        readonly labelColumn?: number | undefined
        readonly header?: boolean | undefined
      }
    /**
     * Clusters on the unit sphere, centres at least `separation` apart, noise inside `spread`. Each is a class; where
     * labels are scalar, even ones are −1 and odd ones +1. Needs a `count`; a test part is made if `testCount` is set.
     */
    | {
        readonly kind: 'clusters'
        readonly dimension: number
        readonly clusters: number
        readonly separation: number
        readonly spread: number
      }
    /** Pair-structured data of S_δ (Section 6) on the unit sphere: oppositely labelled points at distance `gap`·2·delta. */
    | {
        readonly kind: 'pairs'
        readonly dimension: number
        readonly delta: number
        readonly gap: number
      }
  /** Source classes to keep: two of them become −1 and +1 (scalar outputs); null keeps all. */
  readonly classes: readonly (number | string)[] | null
  /** `scalar`: two classes as ±1. `classes`: labels 0..c−1 with c outputs. */
  readonly labels: 'scalar' | 'classes'
  /** Training and test examples to take, the first of their classes in file order, balanced; null takes all. */
  readonly count: number | null
  readonly testCount: number | null
  /** How inputs get onto the unit sphere. `none` leaves them as they are. */
  readonly sphere:
    | { readonly kind: 'none' }
    | { readonly kind: 'normalise' }
    /** Appends a coordinate `value` to the normalised point, then normalises again. */
    | { readonly kind: 'bias'; readonly value: number }
    /** x ↦ (s x, √(1 − s²‖x‖²)), s such that the last coordinate stays ≥ `floor`; data stay in chart coordinates. */
    | { readonly kind: 'lift'; readonly floor: number }
  /** Average-pools images by this factor (1: off). Pixel bytes of IDX and MNIST were scaled to 0..1 before. */
  readonly pool: number
}
