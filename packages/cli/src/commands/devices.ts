import type { DeviceReport } from '@saddle/distributed'
import type { Command } from 'commander'
import { bytes } from '../format.js'
import type { Terminal } from '../terminal.js'

const EXAMPLES = `
Examples:
  saddle devices
  saddle devices --json

Each backend is really loaded, so what is listed as available can compute here.
Choose one with compute.backend in a configuration, or \`saddle train --backend\`; or name
a device for every worker, by the names at the left of the lists: compute.devices, or
\`saddle train --devices cuda:0,cuda:1\`.`

export function addDevices(program: Command, terminal: Terminal): void {
  program
    .command('devices')
    .summary('show what can compute on this machine')
    .description('Shows every backend: whether it can compute here, on what, and if not, why not.')
    .option('--json', 'print an array of backends as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: boolean }) => {
      const { devices } = await import('@saddle/distributed')
      const reports = await devices()
      terminal.out.write(
        json === true ? `${JSON.stringify(reports)}\n` : describe(reports, terminal),
      )
    })
}

function describe(reports: readonly DeviceReport[], { out }: Terminal): string {
  const { bold, dim, green } = out.colours
  const lines = reports.flatMap(report => {
    const { backend, description, needs, lives, available, reason, found, devices, preferred } =
      report
    const place = lives === 'thread' ? 'in a worker thread' : 'in a process of its own'
    const state = available
      ? green(preferred ? 'available, what auto takes' : 'available')
      : `not available: ${reason}`
    return [
      `${bold(backend)}  ${state}`,
      `  ${description}; lives ${place}`,
      ...(found === null ? [] : [`  found ${found}`]),
      dim(`  needs ${needs}`),
      ...groups(devices).map(line => `  ${line}`),
      '',
    ]
  })
  return `${lines.join('\n')}`
}

/** Equal devices on one line. */
function groups(devices: DeviceReport['devices']): string[] {
  const byKind = new Map<string, string[]>()
  for (const device of devices) {
    const { id, name, memoryBytes, computeCapability, driver, autoWorkers } = device
    const kind = [
      name,
      ...(memoryBytes === null ? [] : [bytes(memoryBytes)]),
      ...(computeCapability ? [`compute capability ${computeCapability}`] : []),
      ...(driver ? [`driver ${driver}`] : []),
      ...(autoWorkers > 0 ? [`auto: ${autoWorkers} worker${autoWorkers === 1 ? '' : 's'}`] : []),
    ].join(', ')
    byKind.set(kind, [...(byKind.get(kind) ?? []), id])
  }
  return [...byKind].map(([kind, ids]) =>
    ids.length === 1 ? `${ids[0]}: ${kind}` : `${ids[0]} … ${ids.at(-1)}: ${kind}`,
  )
}
