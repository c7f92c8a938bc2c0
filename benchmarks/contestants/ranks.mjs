import { readFileSync } from 'node:fs'
import { openRanks, train } from '@saddle/distributed'

/**
 * mpirun -n P node ranks.mjs FOLDER JOBS.json: trains one configuration after the other on P ranks. Rank 0 prints one
 * array of JSON: for each what its log says of the ranks, step by step, and how gradients got around.
 */
const [folder, jobs] = process.argv.slice(2)
const ranks = await openRanks()
const found = []
for (const [job, { config, workers }] of JSON.parse(jobs).entries()) {
  const out = `${folder}/${job}`
  let travels = []
  const onEvent = event => {
    if (event.kind === 'start') travels = event.travels
  }
  const { weights, seconds } = await train(config, { out, workers, ranks, onEvent })
  if (!ranks.isFirst) continue
  const steps = readFileSync(`${out}/log.jsonl`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ message }) => message === 'ranks')
    .map(({ seconds, attack, wait, bytes }) => ({ seconds, attack, wait, bytes }))
  const metrics = readFileSync(`${out}/metrics.jsonl`, 'utf8').trimEnd().split('\n')
  const plain = metrics.map(line => JSON.parse(line).seconds)
  found.push({ weights, total: seconds, travels, steps, plain })
}
if (ranks.isFirst) process.stdout.write(JSON.stringify(found))
await ranks.close()
