import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/**
 * A long-lived contestant behind JSON lines: `ask({ op, … })` resolves to its answer. Lines that are no JSON are
 * ignored. An answer with `error`, or the end of the process, rejects.
 */
class Contestant {
  #process
  #lines
  #ended

  constructor(command, args, env = {}) {
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    let lastWords = ''
    this.#process.stderr.on('data', chunk => {
      lastWords = `${lastWords}${chunk}`.slice(-2000)
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#ended = new Promise((_, reject) => {
      this.#process.on('error', reject)
      this.#process.on('close', code => {
        const reason = lastWords.trim().split('\n').at(-1)
        reject(new Error(reason || `${command} ended with code ${code}`))
      })
    })
    // Whoever waits for an answer sees it; nobody else has to.
    this.#ended.catch(() => {})
    this.#process.stdin.on('error', () => {})
  }

  async ask(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`)
    return this.answer()
  }

  /** The next line that is JSON. */
  async answer() {
    for (;;) {
      const { value, done } = await Promise.race([this.#lines.next(), this.#ended])
      if (done) await this.#ended
      if (!value.startsWith('{')) continue
      const answer = JSON.parse(value)
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose]() {
    this.#process.kill('SIGKILL')
    await this.#ended.catch(() => {})
  }
}

/** Saddle in a process of its own: the commands of `saddle-contestant.mjs`. */
export function startSaddle() {
  return new Contestant(process.execPath, [pathOf('../saddle-contestant.mjs')])
}

/** PyTorch in a process of its own: `startPython` of `torch_peer.py`. */
export function startTorch(env = {}) {
  return startPython('../peers/torch_peer.py', env)
}

/**
 * A Python program in a process of its own that answers commands, once it has said which versions answer:
 * { peer, versions }. SADDLE_PYTHON names the interpreter; default python3. `env`: more of its environment.
 *
 * @throws if it cannot start or lacks a package, with the reason.
 */
export async function startPython(script, env = {}) {
  const python = process.env.SADDLE_PYTHON ?? 'python3'
  const peer = new Contestant(python, [pathOf(script)], env)
  try {
    return { peer, versions: await peer.answer() }
  } catch (error) {
    await peer[Symbol.asyncDispose]()
    throw new Error(`${python}: ${error.message}`)
  }
}

function pathOf(relative) {
  return fileURLToPath(new URL(relative, import.meta.url))
}
