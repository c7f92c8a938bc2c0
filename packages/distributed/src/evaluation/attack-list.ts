import { readFile } from 'node:fs/promises'
import type { AttackSpec } from '@saddle/attacks'
import { attackFrom } from '@saddle/attacks'
import { SaddleError } from '@saddle/core'
import { closest, distance } from 'fastest-levenshtein'
import { parse } from 'yaml'
import { z } from 'zod'
import { attackSchema } from '../config/attack-schema.js'
import { configError, problemsOf } from '../config/problems.js'
import { attackKinds } from './attack-kinds.js'

/**
 * Attacks as on a command line: names with commas between them, each with its options after a colon,
 *
 *   fgsm,pgd:steps=40,restarts=2,identity
 *
 * where a piece with `=` is an option of the attack before it. Values are read as YAML; what is left out has the
 * default of a configuration.
 *
 * @throws SaddleError CONFIG with the nearest name, or what is wrong with an option.
 */
export function parseAttacks(text: string): AttackSpec[] {
  const attacks: { kind: string; options: Record<string, unknown> }[] = []
  for (const piece of text.split(',').map(piece => piece.trim())) {
    const [, name, rest] = /^([^:=]+)(?::(.*))?$/.exec(piece) ?? []
    if (name !== undefined) attacks.push({ kind: name.trim(), options: {} })
    const option = name === undefined ? piece : rest
    if (option === undefined) continue
    const [, key, value] = /^([\w-]+)=(.+)$/.exec(option) ?? []
    const options = attacks.at(-1)?.options
    if (key === undefined || value === undefined || options === undefined)
      throw new SaddleError(
        'CONFIG',
        `Attacks "${text}": "${piece}" is neither an attack nor an option of one. Write NAME or NAME:OPTION=VALUE with ` +
          'commas between: fgsm,pgd:steps=40,restarts=2.',
        { attacks: text, piece },
      )
    options[key] = parse(value) as unknown
  }
  return attacks.map(({ kind, options }) => checkAttack({ kind, ...options }))
}

/**
 * Attacks from a YAML or JSON file: a list of names and of mappings, `- fgsm` and `- { kind: pgd, steps: 40 }`.
 *
 * @throws SaddleError CONFIG if it cannot be read or an entry is no attack.
 */
export async function readAttacks(file: string): Promise<AttackSpec[]> {
  const wrong = (reason: string) =>
    new SaddleError(
      'CONFIG',
      `Attacks file ${file}: ${reason}. Expected a YAML list such as [fgsm, { kind: pgd, steps: 40 }].`,
      { file },
    )
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw wrong(error.code === 'ENOENT' ? 'there is no such file' : error.message)
  })
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw wrong((error as Error).message)
  }
  if (!Array.isArray(value) || value.length === 0) throw wrong('it is no list')
  return value.map(entry => checkAttack(typeof entry === 'string' ? { kind: entry } : entry))
}

/**
 * An attack with its defaults filled in.
 *
 * @throws SaddleError CONFIG for an unknown name, with the nearest known one, and for wrong options.
 */
export function checkAttack(value: unknown): AttackSpec {
  const { kind } = (value ?? {}) as { kind?: unknown }
  const known = attackKinds()
  if (typeof kind !== 'string' || !known.includes(kind)) {
    const like = typeof kind === 'string' ? nearestAttack(kind, known) : null
    throw new SaddleError(
      'CONFIG',
      `Unknown attack ${JSON.stringify(kind)}${like === null ? '' : `: did you mean ${like}?`} There are ${known.join(', ')}.`,
      { kind, known },
    )
  }
  const parsed = z.object({ attack: attackSchema }).safeParse({ attack: value })
  if (!parsed.success) throw configError(problemsOf(parsed.error.issues, { attack: value }))
  attackFrom(parsed.data.attack)
  return parsed.data.attack
}

/** Two letters exchanged, left out or added are a slip of the hand. */
function nearestAttack(kind: string, known: readonly string[]): string | null {
  const like = closest(kind.toLowerCase(), known)
  return distance(kind.toLowerCase(), like) <= Math.max(2, kind.length / 3) ? like : null
}
