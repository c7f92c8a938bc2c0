import { readFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'

/**
 * Runs the tests that TensorFlow.js ships for its backends against one backend, in this process:
 *
 *     node packages/core/test/tensors/conformance/run.mjs [BACKEND] [PATTERN]
 *
 * PATTERN keeps the specs whose full name it matches. The last line is JSON: backend, passed, pending, failures
 * (name and first message). Exits with 1 if anything failed.
 *
 * `blas` runs with every freed array filled with NaN and used again at once, so that a result which still looks at
 * one is a failure. For `tensorflow` the specs that its authors leave out themselves are left out.
 */
const [, , backend = 'blas', pattern = ''] = process.argv
const own = createRequire(import.meta.url)
// The tests were written for a bundler, which would have resolved what they require.
globalThis.require = name => own(name)
const { default: jasmineCore } = await import('jasmine-core')
Object.assign(globalThis, jasmineCore.noGlobals())
const { jasmine } = globalThis
register('./resolve.mjs', import.meta.url)

const { useBackend } = await import('@saddle/core')
if (backend === 'blas') {
  const { registerBlas } = await import('../../../dist/tensors/blas/backend.js')
  await registerBlas(spoiler())
}
await useBackend(backend)
const { setTestEnvs } = await import('@tensorflow/tfjs-core/dist/jasmine_util')
await import('@tensorflow/tfjs-core/dist/register_all_gradients')
await import('@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops')
setTestEnvs([{ name: backend, backendName: backend, isDataSync: true }])
await import('@tensorflow/tfjs-core/dist/tests')

const counts = { passed: 0, failed: 0, pending: 0, excluded: 0 }
const failures = []
const env = jasmine.getEnv()
const wanted = new RegExp(pattern)
const leftOut = backend === 'tensorflow' ? ignoredByAuthors() : []
env.configure({
  random: false,
  specFilter: spec => {
    const name = spec.getFullName()
    if (leftOut.some(part => name.includes(part))) return false
    return name.includes(` ${backend} {}`) && wanted.test(name)
  },
})
env.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    counts[status]++
    if (status === 'failed')
      failures.push({ name: fullName, message: failedExpectations[0]?.message ?? '' })
  },
})
await env.execute()
console.log(JSON.stringify({ backend, ...counts, failures }))
process.exit(failures.length === 0 ? 0 : 1)

/** IGNORE_LIST of the package's own run of these tests, whose backend is called `test-tensorflow`. */
function ignoredByAuthors() {
  const source = readFileSync(`${process.env.SADDLE_TENSORFLOW}/dist/run_tests.js`, 'utf8')
  const [list] = /var IGNORE_LIST = \[.*?\n\];/s.exec(source)
  return [...list.matchAll(/^ +'(.*)',$/gm)].map(([, name]) => name.replace('test-', ''))
}

function spoiler() {
  const byLength = new Map()
  return {
    take: length => byLength.get(length)?.pop(),
    give(array) {
      array.fill(Number.NaN)
      byLength.set(array.length, [...(byLength.get(array.length) ?? []), array])
    },
  }
}
