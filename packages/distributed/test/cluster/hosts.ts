import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Launcher, launchers, type Started, start } from '../fixtures/launchers.js'

/**
 * Two hosts on this machine, as network namespaces joined by a cable (a pair of virtual Ethernet devices): each has an
 * address, a host name, process numbers, shared memory and mounts of its own, so that what ranks on them send each
 * other goes through two IP stacks. They share the processors and the file system.
 */
export interface Hosts extends Disposable {
  readonly names: readonly [string, string]
  /** Starts ranks on both, `each` on either, from the first. */
  startRanks(launcher: Launcher, each: number, program: readonly string[]): Started
  /** Starts a command on one of them. */
  start(host: number, command: readonly string[]): Started
  /** Takes the cable out, or puts it in again: nothing is told to anybody. */
  cut(): void
  mend(): void
  /** Processes of a host whose command line holds `text`, by their numbers outside. */
  processes(host: number, text: string): number[]
  /** Bytes that the first host has sent over the cable. */
  sentBytes(): number
}

/** The first three bytes of their addresses; the last is 1 or 2. */
export const NETWORK = '10.77.0'

/** A silent cut is noticed 3 + 3 × 1 seconds after the last sign of life, instead of after 8 minutes. */
const KEEP_ALIVE = {
  oob_tcp_keepalive_time: 3,
  oob_tcp_keepalive_intvl: 1,
  oob_tcp_keepalive_probes: 3,
}

const OPEN_MPI = {
  ...KEEP_ALIVE,
  oob_tcp_if_include: `${NETWORK}.0/24`,
  btl_tcp_if_include: `${NETWORK}.0/24`,
  pml: 'ob1',
  btl: 'tcp,vader,self',
  mpi_yield_when_idle: 1,
}

/** Why there can be no such hosts here; false if there can. */
export const hostsMissing: string | false = probe()

function probe(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  if (process.getuid?.() !== 0) return 'hosts as network namespaces need root'
  const name = `saddle-probe-${process.pid}`
  const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (added.error !== undefined)
    return 'the command ip is not installed (Debian: apt install iproute2)'
  if (added.status !== 0) return `no network namespace can be made here: ${added.stderr.trim()}`
  const inside = ['unshare', '--uts', '--ipc', '--pid', '--fork', '--mount-proc', '--mount', 'true']
  const unshared = spawnSync('ip', ['netns', 'exec', name, ...inside], { encoding: 'utf8' })
  ip('netns', 'del', name)
  return unshared.status === 0 ? false : `no namespaces can be made here: ${unshared.stderr.trim()}`
}

/** Two hosts, gone with all that runs on them when disposed of. */
export function bringUp(): Hosts {
  const names = [`saddle-a-${process.pid}`, `saddle-b-${process.pid}`] as const
  const cables = [`sada${process.pid}`, `sadb${process.pid}`] as const
  const folder = mkdtempSync(join(tmpdir(), 'saddle-hosts-'))
  const on = (i: number, ...args: string[]) => ip('-n', names[i]!, ...args)
  for (const name of names) ip('netns', 'add', name)
  ip('link', 'add', cables[0], 'type', 'veth', 'peer', 'name', cables[1])
  for (const [i, name] of names.entries()) {
    ip('link', 'set', cables[i]!, 'netns', name)
    on(i, 'addr', 'add', `${NETWORK}.${i + 1}/24`, 'dev', cables[i]!)
    on(i, 'link', 'set', cables[i]!, 'up')
    on(i, 'link', 'set', 'lo', 'up')
  }
  const login = writeLogin(folder, names)

  const run = (i: number, command: readonly string[]) => start([login, names[i]!, ...command])
  const processes = (i: number, text: string) =>
    ip('netns', 'pids', names[i]!)
      .split('\n')
      .filter(pid => pid !== '' && commandLine(pid).includes(text))
      .map(Number)
  return {
    names,
    start: run,
    startRanks({ kind, command }, each, program) {
      const [a, b] = names
      const ranks = ['-n', `${2 * each}`, process.execPath, ...program]
      const settings = Object.entries(OPEN_MPI).flatMap(([name, value]) => [
        '-mca',
        name,
        `${value}`,
      ])
      const hosts = `${a}:${each},${b}:${each}`
      const options =
        kind === 'openmpi'
          ? [
              '--bind-to',
              'none',
              '-mca',
              'plm_rsh_agent',
              login,
              ...settings,
              '-H',
              hosts,
              '-x',
              'NO_COLOR',
            ]
          : ['-launcher', 'rsh', '-launcher-exec', login, '-hosts', hosts]
      return run(0, [command, ...options, ...ranks])
    },
    cut: () => on(0, 'link', 'set', cables[0], 'down'),
    mend: () => on(0, 'link', 'set', cables[0], 'up'),
    processes,
    sentBytes() {
      const [{ stats64 }] = JSON.parse(on(0, '-j', '-s', 'link', 'show', cables[0]))
      return stats64.tx.bytes
    },
    [Symbol.dispose]() {
      for (const i of names.keys()) for (const pid of processes(i, '')) kill(pid)
      // The cable goes with either of its ends.
      for (const name of names) ip('netns', 'del', name)
      rmSync(folder, { recursive: true })
    },
  }
}

/**
 * A command that stands for ssh: `login HOST COMMAND…` runs a line of shell on a host. A launcher calls it to start its
 * daemon there.
 */
function writeLogin(folder: string, names: readonly string[]): string {
  const known = names.map((name, i) => `${NETWORK}.${i + 1} ${name}`)
  writeFileSync(join(folder, 'hosts'), `${['127.0.0.1 localhost', ...known].join('\n')}\n`)
  const login = join(folder, 'login')
  const script = `#!/bin/sh
host=$1; shift
exec ip netns exec "$host" unshare --uts --ipc --pid --fork --kill-child --mount-proc --mount sh -c '
  hostname "$0"
  mount -t tmpfs none /dev/shm
  mount --bind ${folder}/hosts /etc/hosts
  sh -c "$*"
' "$host" "$@"
`
  writeFileSync(login, script)
  chmodSync(login, 0o755)
  return login
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Empty once the process has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

/** The launchers that can start ranks on such hosts, each with the reason why not here. */
export const onHosts = [launchers.openmpi, launchers.mpich].map(launcher => ({
  launcher,
  skip: hostsMissing || launcher.missing,
}))
