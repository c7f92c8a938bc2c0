import { type Dataset, openStream, perturbationSetFrom, type SetSpec } from '@saddle/core'
import fc from 'fast-check'
import t from 'tap'

/** Definition 3.1 against definitions: float64, all pairs, no shortcuts. */

function dataset(rows: readonly (readonly number[])[], labels: readonly number[]): Dataset {
  const dimension = rows[0]!.length
  const shared = (values: readonly number[]) => {
    const held = new Float32Array(new SharedArrayBuffer(4 * values.length))
    held.set(values)
    return held
  }
  return {
    name: 'test',
    inputs: shared(rows.flat()),
    labels: shared(labels),
    count: rows.length,
    dimension,
    classes: ['−', '+'],
  }
}

/** Points where the set wants them, in clusters, with random labels. */
function randomData(kind: SetSpec['kind'], n: number, d: number, seed: number): Dataset {
  const stream = openStream({ seed, purpose: 'test.compatibility' })
  const rows = Array.from({ length: n }, () => {
    if (kind.startsWith('box-l')) return Array.from({ length: d }, () => stream.uniform())
    const row = Array.from({ length: d }, () => stream.normal())
    const norm = Math.hypot(...row)
    const length = kind.startsWith('lift') ? 0.9 * stream.uniform() : 1
    return row.map(v => (v * length) / norm)
  })
  return dataset(
    rows,
    rows.map(() => (stream.uniform() < 0.5 ? -1 : 1)),
  )
}

/** The radius at which the sets of two rows meet: from the geometry of each set. */
const meetingRadius: Readonly<Record<string, (a: number[], b: number[]) => number>> = {
  l1: (a, b) => minus(a, b).reduce((sum, v) => sum + Math.abs(v), 0) / 2,
  l2: (a, b) => Math.hypot(...minus(a, b)) / 2,
  linf: (a, b) => Math.max(...minus(a, b).map(Math.abs)) / 2,
  // Chord of half the angle, by half-angle formulas from the chord D of the whole: another route than asin.
  cap: (a, b) => {
    const chord = Math.min(2, Math.hypot(...minus(a, b)))
    return Math.sqrt(2 - 2 * Math.sqrt(1 - chord ** 2 / 4))
  },
}
const sameAs: Readonly<Record<string, string>> = {
  'box-l1': 'l1',
  'box-l2': 'l2',
  'lift-l2': 'l2',
  'box-linf': 'linf',
  'lift-linf': 'linf',
}

const minus = (a: number[], b: number[]) => a.map((v, j) => v - b[j]!)
const rowOf = (data: Dataset, i: number) => [
  ...data.inputs.slice(i * data.dimension, (i + 1) * data.dimension),
]

for (const kind of [
  'l1',
  'l2',
  'linf',
  'box-l1',
  'box-l2',
  'box-linf',
  'cap',
  'lift-l2',
  'lift-linf',
] as const) {
  t.test(`${kind}: first pair and largest radius are those of all pairs`, async () => {
    const radiusOf = meetingRadius[sameAs[kind] ?? kind]!
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 150 }),
        fc.integer({ min: 2, max: 40 }),
        fc.double({ min: 0, max: 1.2, noNaN: true }),
        fc.integer({ min: 0, max: 1e6 }),
        (n, d, radius, seed) => {
          const data = randomData(kind, n, d, seed)
          const found = perturbationSetFrom({ kind, radius }).compatibility(data)
          let least = Number.POSITIVE_INFINITY
          let first: [number, number] | null = null
          const rows = Array.from({ length: n }, (_, i) => rowOf(data, i))
          for (let i = 0; i < n; i++)
            for (let j = i + 1; j < n; j++) {
              if (data.labels[i] === data.labels[j]) continue
              const meets = radiusOf(rows[i]!, rows[j]!)
              least = Math.min(least, meets)
              if (meets <= radius) first ??= [i, j]
            }
          const close =
            found.largestRadius === least || Math.abs(found.largestRadius - least) < 1e-9
          const same = JSON.stringify(found.firstPair) === JSON.stringify(first)
          return close && same && found.compatible === (first === null)
        },
      ),
      { numRuns: 40, seed: 2 },
    )
  })
}

t.test(
  'box-sphere: the largest radius is where a search in the plane finds a common point',
  async t => {
    // On the circle both sets are unions of arcs: sample 20,000 angles for a common one.
    const common = (a: number[], b: number[], radius: number) => {
      for (let k = 0; k < 20000; k++) {
        const x = [Math.cos((k * Math.PI) / 10000), Math.sin((k * Math.PI) / 10000)]
        const within = (c: number[]) => minus(x, c).every(v => Math.abs(v) <= radius)
        if (within(a) && within(b)) return true
      }
      return false
    }
    for (let seed = 0; seed < 20; seed++) {
      const data = randomData('box-sphere', 2, 2, seed)
      const opposed = dataset([rowOf(data, 0), rowOf(data, 1)], [-1, 1])
      const { largestRadius } = perturbationSetFrom({
        kind: 'box-sphere',
        radius: 0,
      }).compatibility(opposed)
      const [a, b] = [rowOf(data, 0), rowOf(data, 1)]
      t.notOk(common(a, b, largestRadius - 1e-6), `seed ${seed}, below`)
      t.ok(common(a, b, largestRadius + 1e-3), `seed ${seed}, above`)
    }
  },
)

t.test('box-sphere: boxes may meet where the sphere does not pass', async t => {
  // The midpoint of two points of the circle lies inside it: linf boxes meet at max|a − b|/2, the arcs later.
  const data = dataset(
    [
      [1, 0],
      [0, 1],
    ],
    [-1, 1],
  )
  const { largestRadius } = perturbationSetFrom({ kind: 'box-sphere', radius: 0.6 }).compatibility(
    data,
  )
  t.ok(Math.abs(largestRadius - Math.SQRT1_2) < 1e-6)
  t.ok(perturbationSetFrom({ kind: 'box-sphere', radius: 0.6 }).compatibility(data).compatible)
  t.notOk(perturbationSetFrom({ kind: 'linf', radius: 0.6 }).compatibility(data).compatible)
})

t.test('closed sets that touch do meet', async t => {
  const data = dataset(
    [
      [0, 0],
      [1, 0],
    ],
    [-1, 1],
  )
  t.same(perturbationSetFrom({ kind: 'l2', radius: 0.5 }).compatibility(data), {
    compatible: false,
    firstPair: [0, 1],
    largestRadius: 0.5,
  })
  t.ok(perturbationSetFrom({ kind: 'l2', radius: 0.5 - 1e-12 }).compatibility(data).compatible)
})

t.test('examples of one class never conflict', async t => {
  const data = dataset(
    [
      [0, 1],
      [0, 1],
    ],
    [1, 1],
  )
  for (const kind of ['l2', 'cap', 'box-sphere', 'linf'] as const)
    t.same(perturbationSetFrom({ kind, radius: 1 }).compatibility(data), {
      compatible: true,
      firstPair: null,
      largestRadius: Number.POSITIVE_INFINITY,
    })
})

t.test('equal points of two classes are incompatible at every radius', async t => {
  const data = dataset(
    [
      [0, 1],
      [1, 0],
      [0, 1],
    ],
    [1, 1, -1],
  )
  for (const kind of ['l2', 'linf', 'cap', 'box-sphere'] as const) {
    const found = perturbationSetFrom({ kind, radius: 0 }).compatibility(data)
    t.same(found, { compatible: false, firstPair: [0, 2], largestRadius: 0 }, kind)
  }
})

t.test('centres outside the set they should be the centres of are refused', async t => {
  const outside: [SetSpec['kind'], number[]][] = [
    ['box-l2', [0.5, 1.2]],
    ['box-linf', [-0.1, 0.5]],
    ['cap', [0.6, 0.7]],
    ['box-sphere', [2, 0]],
    ['lift-l2', [0.8, 0.7]],
    ['lift-linf', [1, 0]],
    ['cap', [Number.NaN, 1]],
    ['lift-l2', [Number.NaN, 0]],
    ['box-l2', [Number.NaN, 0]],
  ]
  for (const [kind, row] of outside)
    t.throws(
      () => perturbationSetFrom({ kind, radius: 0.1 }).compatibility(dataset([row, row], [1, -1])),
      { code: 'RANGE', fields: { example: 0 } },
      kind,
    )
})
