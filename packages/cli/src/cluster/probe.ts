import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { SaddleError } from '@saddle/core'
import type { Host } from './hosts.js'
import { ownCommand, ownVersion } from './own-command.js'
import { shellJoin } from './quote.js'

/** A host that was asked. */
export interface Probed {
  readonly host: Host
  /** Null if ranks can run there. */
  readonly problem: string | null
  /** It answers, but what it has differs: other files or another Saddle. */
  readonly differs: boolean
}

/** Seconds until a host that cannot be connected to counts as down. */
const CONNECTING = 10
/** Seconds that one which was connected to may take to answer: Node has to start there, maybe from a slow disk. */
const PATIENCE = 120

/**
 * Asks every host over ssh, all at once, for what ranks on it would use: this Saddle under the same path, and the
 * configuration at `config` with the same contents, which shows that the disk is shared.
 */
export async function probeHosts(
  hosts: readonly Host[],
  ssh: readonly string[],
  config: string,
): Promise<readonly Probed[]> {
  const digest = createHash('sha256').update(readFileSync(config)).digest('hex')
  const question = questionOf(config)
  return Promise.all(
    hosts.map(async host => {
      const { answer, failure } = await ask(host, ssh, question, config)
      if (failure !== null) return { host, ...failure }
      const [seen, version] = answer.trim().split('\n').slice(-2)
      const problem =
        seen?.split(' ')[0] !== digest
          ? `its ${config} is another file: the hosts must share the folder of the run`
          : version !== ownVersion()
            ? `it has Saddle ${version}, and this host ${ownVersion()}`
            : null
      return { host, problem, differs: problem !== null }
    }),
  )
}

/** What a host may lack, by the exit code with which the question then ends. */
const LACKS = { config: 91, node: 92, saddle: 93 } as const

/** Prints the configuration's digest and Saddle's version. In words for sh, whatever shell a login gives. */
function questionOf(config: string): string {
  const [node, saddle] = ownCommand().map(word => shellJoin([word]))
  const file = shellJoin([config])
  const lines = [
    `[ -r ${file} ] || exit ${LACKS.config}`,
    `[ -x ${node} ] || exit ${LACKS.node}`,
    `[ -r ${saddle} ] || exit ${LACKS.saddle}`,
    `sha256sum < ${file} && ${node} ${saddle} --version`,
  ]
  return shellJoin(['sh', '-c', lines.join('; ')])
}

function lacking(code: unknown, config: string): string | null {
  const [node, saddle] = ownCommand()
  const same = 'Node and Saddle must lie under the same paths on all hosts'
  if (code === LACKS.config)
    return `it does not see ${config}: the hosts must share the folder of the run`
  if (code === LACKS.node) return `it has no Node at ${node}: ${same}`
  if (code === LACKS.saddle) return `it has no Saddle at ${saddle}: ${same}`
  return null
}

/**
 * @throws SaddleError CONFIG unless all hosts are there and alike: to be asked before any work.
 */
export function requireAll(probed: readonly Probed[]): void {
  const bad = probed.filter(({ problem }) => problem !== null)
  if (bad.length === 0) return
  throw new SaddleError(
    'CONFIG',
    `${bad.map(({ host, problem }) => `${host.name}: ${problem}`).join('; ')}. Nothing was started.`,
    { hosts: bad.map(({ host }) => host.name) },
  )
}

interface Answer {
  readonly answer: string
  readonly failure: Pick<Probed, 'problem' | 'differs'> | null
}

function ask(
  { name }: Host,
  ssh: readonly string[],
  question: string,
  config: string,
): Promise<Answer> {
  const [program, ...args] = isHere(name)
    ? ['sh', '-c', question]
    : [...ssh, ...patience(ssh), name, question]
  return new Promise(resolve =>
    execFile(
      program!,
      args,
      { encoding: 'utf8', timeout: 1000 * PATIENCE, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ answer: stdout, failure: null })
        const told =
          lacking(error.code, config) ??
          (reasonIn(stderr) || (error.killed ? `no answer in ${PATIENCE} s` : error.message))
        // 255 is ssh's own failure; all else is the question's: the host is up.
        const differs = typeof error.code === 'number' && error.code !== 255
        resolve({ answer: '', failure: { problem: told, differs } })
      },
    ),
  )
}

/** ssh must not ask for a password, nor wait for minutes. */
function patience(ssh: readonly string[]): string[] {
  if (!/(^|\/)ssh$/.test(ssh[0] ?? '')) return []
  return ['-o', 'BatchMode=yes', '-o', `ConnectTimeout=${CONNECTING}`]
}

function isHere(name: string): boolean {
  return name === 'localhost' || name === '127.0.0.1' || name === hostname()
}

/** The line of an error, where Node tells one; else the last one, which is ssh's. */
function reasonIn(text: string): string {
  const lines = text.trim().split(/\r?\n/)
  return lines.find(line => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? ''
}
