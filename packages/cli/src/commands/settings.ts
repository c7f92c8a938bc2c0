/** Flags that change settings of a configuration. */
export interface SettingFlags {
  readonly backend?: string
  readonly devices?: string
  readonly set?: readonly string[]
}

/** These flags as `path=value` settings, in the order in which they win. */
export function settingsFrom({ set = [], backend, devices }: SettingFlags): string[] {
  return [
    ...set,
    ...(backend === undefined ? [] : [`compute.backend=${backend}`]),
    ...(devices === undefined ? [] : [`compute.devices=${asList(devices)}`]),
  ]
}

/** A list of names as YAML has it; `auto` as it is. */
function asList(names: string): string {
  return names === 'auto' ? names : JSON.stringify(names.split(',').map(name => name.trim()))
}

/** yyyymmdd-hhmmss, local time. */
export function timestamp(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`
  return `${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`
}
