import fc from 'fast-check'
import t from 'tap'
import { mask, rectify } from '../../src/networks/bits.js'
import { linfRows } from '../../src/perturbation/linf-rows.js'
import { clipAround, clipToUnit, stepSigns } from '../../src/perturbation/row-loops.js'
import { loopsOver, simdLoops, withSimdArrays } from '../../src/tensors/simd/arrays.js'

/** The loops of WebAssembly against those of JavaScript on the same numbers, bit for bit. */

const SPECIAL = [0, -0, 1, -1, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 0.1, Number.NaN]
const numbers = fc.array(
  fc.oneof(fc.float({ min: -2, max: 2, noNaN: true }), fc.constantFrom(...SPECIAL)),
  { maxLength: 40 },
)
const unit = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 })

/** Bits, with one NaN for all. */
function bits(x: Float32Array): number[] {
  const clean = x.map(v => (Number.isNaN(v) ? Number.NaN : v))
  return [...new Uint32Array(clean.buffer)]
}

t.ok(simdLoops() !== null, 'there are loops here')

t.test('relu and its mask have the bits of the plain loops, at any length', async t => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const x = Float32Array.from(a)
      const p = Float32Array.from(a, (_, i) => b[i % Math.max(1, b.length)] ?? 1)
      const [plainX, plainP] = [x.slice(), p.slice()]
      rectify(plainX)
      mask(plainP, plainX)
      return withSimdArrays([x.length, x.length], (simdX, simdP) => {
        simdX.set(x)
        simdP.set(p)
        rectify(simdX)
        mask(simdP, simdX)
        t.same(bits(simdX.slice()), bits(plainX))
        t.same(bits(simdP.slice()), bits(plainP))
        return loopsOver(simdX, simdP) !== null && loopsOver(plainX) === null
      })
    }),
  )
})

for (const inBox of [true, false])
  t.test(
    `l∞${inBox ? ' in the box' : ''}: a batch has the bits of its rows, which are those of three passes up to float64`,
    async t => {
      fc.assert(
        fc.property(
          unit,
          numbers,
          fc.float({ min: 0, max: 1, noNaN: true }),
          fc.float({ min: 0, max: 2, noNaN: true }),
          fc.integer({ min: 1, max: 4 }),
          (centres, gradient, radius, step, rows) => {
            const d = centres.length
            const c = Float32Array.from({ length: rows * d }, (_, i) => centres[i % d]!)
            const g = c.map((_, i) => gradient[(7 * i) % Math.max(1, gradient.length)] ?? -1)
            const x = c.map((v, i) => Math.min(1, Math.max(0, v + radius * Math.sin(i))))
            const steps = Float32Array.from({ length: rows }, (_, i) => step / (i + 1))
            const geometry = linfRows(radius, inBox)
            const [byPasses, byRow, projected, clippedRow] = [0, 0, 0, 0].map(() => c.slice())
            for (let i = 0; i < rows; i++) {
              const [start, stop] = [i * d, (i + 1) * d]
              stepSigns(x, g, steps[i]!, byPasses!, start, stop)
              clipAround(c, byPasses!, radius, byPasses!, start, stop)
              if (inBox) clipToUnit(byPasses!, byPasses!, start, stop)
              geometry.advance!(c, x, g, steps[i]!, byRow!, start, stop)
              clipAround(c, g, radius, projected!, start, stop)
              if (inBox) clipToUnit(projected!, projected!, start, stop)
              geometry.project(c, g, clippedRow!, start, stop)
            }
            const [advanced, clipped, uniform] = [0, 0, 0].map(() => c.slice())
            t.ok(geometry.batches!.advance(c, x, g, steps, advanced!))
            t.ok(geometry.batches!.project(c, g, clipped!))
            geometry.batches!.advance(c, x, g, steps[0]!, uniform!)
            t.same(bits(advanced!), bits(byRow!))
            t.same(bits(clipped!), bits(clippedRow!))
            t.same(bits(uniform!.slice(0, d)), bits(byRow!.slice(0, d)))
            t.ok(alike(byRow!, byPasses!))
            t.ok(alike(clippedRow!, projected!))
          },
        ),
        { numRuns: 60 },
      )
    },
  )

/** Equal but for what float64 loses beside numbers of order 1; NaN where the other is. */
function alike(a: Float32Array, b: Float32Array): boolean {
  return a.every((v, i) => Object.is(v, b[i]) || Math.abs(v - b[i]!) < 1e-15)
}

t.test('arrays on loan stay where they are when the memory grows, and are taken back', async t => {
  const outer = withSimdArrays([5], x => {
    x.set([1, -2, 3, -4, -5])
    withSimdArrays([1 << 21], y => {
      y.fill(7)
      t.same([...x], [1, -2, 3, -4, -5])
      t.ok(loopsOver(x, y) !== null)
    })
    rectify(x)
    t.same([...x], [1, 0, 3, 0, 0])
    return x.byteOffset
  })
  t.throws(() =>
    withSimdArrays([3], () => {
      throw new Error('inside')
    }),
  )
  t.equal(
    withSimdArrays([9], x => x.byteOffset),
    outer,
  )
})
