import { mkdirSync, writeFileSync } from 'node:fs'
import { useBackend } from '@saddle/core'
import { startTorch } from './contestants/child.mjs'
import { NETWORKS, QUICK_NETWORKS } from './contestants/problem.mjs'
import { chosenGroups, GROUPS } from './groups.mjs'
import { machine } from './measure.mjs'
import { readOptions } from './options.mjs'

/**
 * `pnpm bench`: measures the groups of rows that were asked for, prints each row as soon as it is there, and writes
 * benchmarks/results/GROUP.json. Exits with 1 if a row failed; a peer that is missing is no failure.
 */
const options = readOptions(Object.keys(GROUPS), { ...NETWORKS, ...QUICK_NETWORKS })
const { backend, passedOver } = await useBackend(options.backend)
options.backend = backend.name

console.log(describe(machine()))
console.log(`backend ${backend.name}: ${backend.description}`)
for (const { name, reason } of passedOver) console.log(`  not ${name}: ${reason}`)
console.log(await peersHere())

const results = new URL('results/', import.meta.url)
mkdirSync(results, { recursive: true })
let failed = false
for (const [name, { title, measure }] of chosenGroups(options)) {
  console.log(`\n${title}`)
  const before = machine()
  const rows = await measure(options)
  failed ||= rows.some(row => 'failed' in row)
  const result = { machine: before, options, rows }
  // A quick run says nothing about speed and must not take the place of one that does.
  const file = new URL(`${name}${options.quick ? '.quick' : ''}.json`, results)
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}
process.exitCode = failed ? 1 : 0

function describe({ cpu, cores, load, node }) {
  const busy = load > 0.3 * cores ? ': busy, so distrust every time below' : ''
  return `${cpu}, ${cores} cores, Node ${node}, load ${load.toFixed(1)}${busy}`
}

async function peersHere() {
  try {
    const { peer, versions } = await startTorch()
    await peer[Symbol.asyncDispose]()
    const { python, blas, ...packages } = versions
    const named = Object.entries(packages).map(
      ([name, version]) => `${name} ${version ?? 'missing'}`,
    )
    return `Python ${python}: ${named.join(', ')}; ${blas}`
  } catch (error) {
    return `no PyTorch to compare with (${error.message}); see benchmarks/README.md`
  }
}
