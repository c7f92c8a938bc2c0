import type { Config } from '@saddle/distributed'

/** Numbers as people read them in a table or beside a bar. All are short; none is for programs. */

/** A share in 0..1 as `98.8 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** A loss or a distance with about four significant digits: 0.0123, 1.234, 0.000012 as 1.20e-5. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2)
  return value.toFixed(Math.max(0, Math.min(4, 3 - Math.floor(Math.log10(size)))))
}

/** A number that somebody chose, with at most four digits: 0.05, 0.03137, 12. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(4)))
}

/** Seconds as `0:07`, `12:40` or `3:05:00`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const tail = `${two(whole % 60)}`
  return hours > 0 ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`
}

/** Bytes in binary units: `3.4 MiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return `${unit === 0 ? count : (count / 1024 ** unit).toFixed(1)} ${units[unit]}`
}

/**
 * An attack's short name: its kind, a loss of its own, its steps or draws, its restarts: `identity`, `uniform-8`,
 * `pgd-20`, `pgd-20x3`, `apgd-dlr-100`; of an ensemble the names joined, `fgsm+pgd-20`; of a recipe its counts,
 * `free-8`, `yopo-5-3`; of a schedule the names in turn, `fgsm→pgd-20`.
 */
export function attackName(attack: Config['attack']): string {
  if (attack.kind === 'schedule')
    return attack.phases.map(phase => attackName(phase.attack)).join('→')
  if (attack.kind === 'free') return `free-${attack.replays}`
  if (attack.kind === 'yopo') return `yopo-${attack.passes}-${attack.inner}`
  if (attack.kind === 'worst-case') return attack.attacks.map(attackName).join('+')
  const loss = 'loss' in attack && attack.loss !== 'model' ? attack.loss : undefined
  const count = 'steps' in attack ? attack.steps : 'draws' in attack ? attack.draws : undefined
  const restarts = 'restarts' in attack && attack.restarts > 1 ? `x${attack.restarts}` : ''
  const parts = [attack.kind, loss?.replace('cross-entropy', 'ce'), count]
  return `${parts.filter(part => part !== undefined).join('-')}${restarts}`
}

/** What a training cost, or will: `6.0 forward–backward passes an example and step`. */
export function passesPhrase(passes: number): string {
  const number = Number.isInteger(passes) ? String(passes) : passes.toFixed(2)
  return `${number} forward–backward pass${passes === 1 ? '' : 'es'} an example and step`
}

/** What the accuracy is called that a training under the attack of this name reports. */
export function accuracyName(attack: string): string {
  return attack === 'identity' ? 'clean' : 'robust'
}
