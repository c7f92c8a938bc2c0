import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openStream } from '@saddle/core'
import type { ConfigInput } from '@saddle/distributed'
import t from 'tap'
import { deep } from '../fixtures/configs.js'

const script = fileURLToPath(new URL('../fixtures/run.mjs', import.meta.url))
const KILLS = 20

/** Many short steps and a checkpoint every 7, so that kills fall into steps, checkpoints and start-up alike. */
const config: ConfigInput = {
  ...deep,
  network: { ...deep.network, width: 64 },
  descent: { ...deep.descent, steps: 80, batch: 16 },
  checkpoints: { every: 7 },
}
const json = JSON.stringify(config)

/** Runs the script and kills it after `milliseconds`; resolves to its output, or null if it was killed. */
function runFor(dir: string, milliseconds: number): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, dir, json], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', chunk => (output += chunk))
    child.stderr.on('data', chunk => (errors += chunk))
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') resolve(null)
      else if (code === 0) resolve(output)
      else reject(new Error(`exit ${code}: ${errors}`))
    })
  })
}

t.test(
  `kill -9 at ${KILLS} random moments, then resume: same bytes, no metric lost or doubled`,
  async t => {
    const folder = t.testdir()
    const started = performance.now()
    const expected = execFileSync(process.execPath, [script, `${folder}/clean`, json], {
      encoding: 'utf8',
    })
    const duration = performance.now() - started
    const random = openStream({ seed: Date.now(), purpose: 'kills' })
    const dir = `${folder}/killed`
    let kills = 0
    let output: string | null = null
    while (output === null) {
      // After the last kill the run is left alone; a run that ended before its kill is begun anew.
      const patience = kills < KILLS ? random.uniform() * duration : 10 * duration
      output = await runFor(dir, patience)
      if (output === null) kills++
      else if (kills < KILLS) {
        t.equal(output, expected)
        rmSync(dir, { recursive: true })
        output = null
      }
      // A kill before the configuration was written leaves nothing to resume.
      if (output === null && existsSync(dir) && !existsSync(`${dir}/config.yaml`))
        rmSync(dir, { recursive: true })
    }
    t.equal(output, expected)
    const steps = readFileSync(`${dir}/metrics.jsonl`, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).step)
    t.same(
      steps,
      Array.from({ length: 80 }, (_, i) => i),
    )
    const file = 'checkpoints/step-000080/displacement.safetensors'
    t.ok(readFileSync(`${dir}/${file}`).equals(readFileSync(`${folder}/clean/${file}`)))
  },
)
